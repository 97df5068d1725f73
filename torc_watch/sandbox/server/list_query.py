"""Queries of lists: conditions, order, pages, and the JSON envelope around the items."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torc_watch.sandbox.server.api_request import (
    ApiRequest,
    internal_error,
    parse_flag,
    parse_integer,
)
from torc_watch.sandbox.server.server_settings import TorcApi
from torc_watch.sandbox.server.store import Row, Store

MAX_LIMITS: Mapping[TorcApi, int] = {"0.12": 10_000, "1.0": 100_000}


@dataclass(frozen=True, slots=True)
class Condition:
    """An SQL condition and the values of its placeholders."""

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


def page_of(request: ApiRequest, sortable: Sequence[str], default: str = "id") -> Page:
    """The page that a request asks for.

    An unknown sort column is an internal error in API 0.12; API 1.0 ignores it.
    """
    max_limit = MAX_LIMITS[request.api_version]
    limit = request.parameter("limit", parse_integer)
    column = request.parameter("sort_by", str) or default
    if (limit is not None and limit > max_limit) or (
        column not in sortable and request.api_version == "0.12"
    ):
        raise internal_error()
    if column not in sortable:
        column = default
    direction = "DESC" if request.parameter("reverse_sort", parse_flag) else "ASC"
    return Page(
        offset=request.parameter("offset", parse_integer) or 0,
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
