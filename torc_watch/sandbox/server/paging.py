"""Lists: which rows, in which order, how many of them, and the envelope that says so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torc_watch.sandbox.server.calls import Call, flag, integer, internal_error
from torc_watch.sandbox.server.settings import ApiVersionName
from torc_watch.sandbox.server.store import Row, Store

MAX_LIMITS: Mapping[ApiVersionName, int] = {"0.12": 10_000, "1.0": 100_000}


@dataclass(frozen=True, slots=True)
class Condition:
    """An SQL condition and the values of its places."""

    sql: str
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Page:
    offset: int
    limit: int
    max_limit: int
    order: str

    @property
    def clause(self) -> str:
        return f"ORDER BY {self.order} LIMIT {self.limit} OFFSET {self.offset}"


def page_of(call: Call, sortable: Sequence[str], default: str = "id") -> Page:
    """The page that a call asks for.

    Sorting by what is not sortable is an internal error of Torc 0.12, and no sorting afterwards.
    """
    max_limit = MAX_LIMITS[call.api_version]
    limit = call.asked("limit", integer)
    column = call.asked("sort_by", str) or default
    if (limit is not None and limit > max_limit) or (
        column not in sortable and call.api_version == "0.12"
    ):
        raise internal_error()
    if column not in sortable:
        column = default
    direction = "DESC" if call.asked("reverse_sort", flag) else "ASC"
    return Page(
        offset=call.asked("offset", integer) or 0,
        limit=max_limit if limit is None else limit,
        max_limit=max_limit,
        order=f"{column} {direction}",
    )


def count(store: Store, source: str, conditions: Sequence[Condition]) -> int:
    where, values = _where(conditions)
    return int(store.value(f"SELECT COUNT(*) FROM {source} {where}", *values))  # noqa: S608


def select(
    store: Store, columns: str, source: str, conditions: Sequence[Condition], page: Page
) -> list[Row]:
    where, values = _where(conditions)
    return store.rows(f"SELECT {columns} FROM {source} {where} {page.clause}", *values)  # noqa: S608


def envelope(items: Sequence[Any], page: Page, total: int) -> dict[str, Any]:
    return {
        "items": items,
        "offset": page.offset,
        "max_limit": page.max_limit,
        "count": len(items),
        "total_count": total,
        "has_more": page.offset + len(items) < total,
    }


def _where(conditions: Sequence[Condition]) -> tuple[str, list[Any]]:
    if not conditions:
        return "", []
    values = [value for condition in conditions for value in condition.values]
    return "WHERE " + " AND ".join(condition.sql for condition in conditions), values
