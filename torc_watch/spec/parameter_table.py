"""Tables of parameter values (``parameters_file``): each row is one combination of them."""

import csv
import io
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from torc_watch.core.errors import InvalidSpec
from torc_watch.spec.bounded_text import read_text
from torc_watch.spec.parameters import MAX_COMBINATIONS, Combination, ParameterValue, parse_scalar

_INTEGERS = range(-(2**63), 2**63)


def read_table(name: str) -> Sequence[Combination]:
    """The rows of a CSV, JSON or JSON-lines file, found from the folder of the command.

    Raises InvalidSpec for a file that cannot be read, has no rows or more than MAX_COMBINATIONS.
    """
    parse = _PARSERS.get(Path(name).suffix.lower())
    if parse is None:
        raise InvalidSpec(f"{name}: parameters are read from {', '.join(_PARSERS)} files")
    try:
        rows = list(parse(read_text(Path(name))))
    except (csv.Error, json.JSONDecodeError, RecursionError) as error:
        raise InvalidSpec(f"{name} cannot be read: {error}") from None
    except InvalidSpec as error:
        raise InvalidSpec(f"{name}: {error}") from None
    if not rows:
        raise InvalidSpec(f"{name} has no rows")
    if len(rows) > MAX_COMBINATIONS:
        raise InvalidSpec(f"{name}: more than {MAX_COMBINATIONS:,} rows are too many")
    return rows


def columns(rows: Iterable[Combination]) -> Sequence[str]:
    """The names in any of the rows: those of JSON need not have the same."""
    return tuple(dict.fromkeys(name for row in rows for name in row))


def _parse_csv(text: str) -> Iterator[Combination]:
    lines = (
        [field.strip() for field in line] for line in csv.reader(io.StringIO(text, newline=""))
    )
    filled = (line for line in lines if line)
    names = next(filled, [])
    if "" in names:
        raise InvalidSpec("a column has no name")
    if len(set(names)) < len(names):
        raise InvalidSpec("two columns have the same name")
    for number, line in enumerate(filled, start=1):
        if len(line) != len(names):
            raise InvalidSpec(f"row {number} has {len(line)} fields, but there are {len(names)}")
        yield dict(zip(names, map(parse_scalar, line), strict=True))


def _parse_json(text: str) -> Iterator[Combination]:
    rows = _parse_text(text)
    if not isinstance(rows, list):
        raise InvalidSpec("must be a list of objects")
    return map(_parse_row, rows)


def _parse_json_lines(text: str) -> Iterator[Combination]:
    return (_parse_row(_parse_text(line)) for line in text.split("\n") if line.strip())


def _parse_text(text: str) -> Any:
    return json.loads(text, parse_constant=_refuse_number, parse_float=_parse_float)


def _parse_float(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse_number(text)


def _refuse_number(text: str) -> NoReturn:
    raise InvalidSpec(f"{text} is not a number in JSON")


def _parse_row(row: object) -> Combination:
    if not isinstance(row, Mapping):
        raise InvalidSpec("each row must be an object")
    return {name: _parse_value(value) for name, value in row.items()}


def _parse_value(value: Any) -> ParameterValue:
    """Texts stay texts; what is neither text nor number becomes JSON, as Torc writes it."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if value in _INTEGERS else float(value)
    if isinstance(value, float | str):
        return value
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


_PARSERS: Mapping[str, Callable[[str], Iterator[Combination]]] = {
    ".csv": _parse_csv,
    ".json": _parse_json,
    ".jsonl": _parse_json_lines,
    ".ndjson": _parse_json_lines,
}
