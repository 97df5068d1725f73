"""Parameters of a specification: ``"1:100"``, ``"0:1:0.25"``, ``"[16,32]"``, ``"@values.txt"``.

A parameter has a list of values. An entry with parameters is expanded to one entry per combination
of their values, with ``{i}`` or ``{i:03d}`` replaced in its texts. The syntax is Torc's, except
that decimal steps are exact: ``0:1:0.1`` contains 0.3, not 0.30000000000000004.
"""

import itertools
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal

from torc_watch.core.errors import InvalidSpec

ParameterValue = int | float | str
Combination = Mapping[str, ParameterValue]
Substitute = Callable[[str, Combination], str]

MAX_COMBINATIONS = 500_000
_INTEGERS = range(-(2**63), 2**63)

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)
_NUMBER = re.compile(
    r"[+-]?(?:[0-9]{1,30}\.?[0-9]{0,30}|\.[0-9]{1,30})(?:[eE][+-]?[0-9]{1,3})?", re.ASCII
)
_LONG_INTEGER = re.compile(r"[+-]?[0-9]{1,30}", re.ASCII)
# What Rust reads as a float, and how it writes that.
_NO_NUMBERS = {"inf": "inf", "infinity": "inf", "nan": "NaN"}
_INTEGER_FORMAT = re.compile(r"0([0-9]{1,2})d", re.ASCII)
_NUMBER_FORMAT = re.compile(r"\.([0-9]{1,2})f", re.ASCII)


def parse_values(text: str) -> Sequence[ParameterValue]:
    """The values of a parameter: a range including its end, a list in brackets, or one value.

    Raises InvalidSpec for a range that is malformed, empty, or longer than MAX_COMBINATIONS.
    """
    text = text.strip()
    if text.startswith("[") and text.endswith("]"):
        return _parse_list(text[1:-1])
    # Torc accepts {1:100} for 1:100, since users mix up values and templates.
    if text.startswith("{") and text.endswith("}") and "," not in text:
        text = text[1:-1].strip()
    if ":" in text:
        return _parse_range(text)
    return [parse_scalar(text)]


def parse_lines(text: str) -> Sequence[ParameterValue]:
    """The values in a file: one in each line, but for empty ones and those that begin with #.

    Raises InvalidSpec if there is none, or there are too many.
    """
    lines = [stripped for line in text.splitlines() if (stripped := line.strip())]
    values = [parse_scalar(line) for line in lines if not line.startswith("#")]
    if not values:
        raise InvalidSpec("the file has no values")
    _refuse_too_many(len(values))
    return values


def combine(
    parameters: Mapping[str, Sequence[ParameterValue]], *, pairwise: bool = False
) -> Iterator[Combination]:
    """All combinations of the parameters' values; the last parameter changes fastest.

    With ``pairwise`` the first values are combined, then the second ones, and so on. Raises
    InvalidSpec if the numbers of values then differ, or if there are too many combinations.
    """
    counts = {name: len(values) for name, values in parameters.items()}
    if pairwise and len(set(counts.values())) > 1:
        listed = ", ".join(f"{name} has {count}" for name, count in counts.items())
        raise InvalidSpec(
            f"the mode zip needs parameters of equal length, but their numbers differ: {listed}"
        )
    if not pairwise:
        _refuse_too_many(math.prod(counts.values()))
    rows = (
        zip(*parameters.values(), strict=True)
        if pairwise
        else itertools.product(*parameters.values())
    )
    return (dict(zip(parameters, row, strict=True)) for row in rows)


def make_substitute(names: Sequence[str]) -> Substitute:
    """A function that replaces ``{name}`` and ``{name:format}`` in a text, for these names only.

    Other formats than those like ``03d`` and ``.2f`` change nothing, as in Torc. A name that the
    combination does not have stays as it is.
    """
    alternatives = "|".join(re.escape(name) for name in names)
    placeholder = re.compile(rf"\{{({alternatives})(?::([^}}]*))?\}}")

    def substitute(template: str, combination: Combination) -> str:
        return placeholder.sub(
            lambda found: (
                _format(combination[found[1]], found[2] or "")
                if found[1] in combination
                else found[0]
            ),
            template,
        )

    return substitute


def _parse_list(inside: str) -> Sequence[ParameterValue]:
    inside = inside.strip()
    if not inside:
        raise InvalidSpec("the list has no values")
    if inside.startswith("[") or inside.endswith("]"):
        raise InvalidSpec("a list cannot have lists in it")
    values = (parse_scalar(item.strip()) for item in inside.split(","))
    return [value.strip("'").strip('"') if isinstance(value, str) else value for value in values]


def parse_scalar(text: str) -> ParameterValue:
    """An integer, else a float, else the text, as Rust reads them."""
    if _LONG_INTEGER.fullmatch(text) and (number := int(text)) in _INTEGERS:
        return number
    if _NUMBER.fullmatch(text):
        return float(text)
    sign = "-" if text[:1] == "-" else ""
    name = _NO_NUMBERS.get(text.lower().removeprefix("-" if sign else "+"))
    return text if name is None else name if name == "NaN" else sign + name


def _parse_range(text: str) -> Sequence[ParameterValue]:
    parts = [part.strip() for part in text.split(":")]
    if not 2 <= len(parts) <= 3 or not all(_NUMBER.fullmatch(part) for part in parts):
        raise InvalidSpec(f"{text!r} is not a range: write start:end or start:end:step, in numbers")
    start, end, step = (Decimal(part) for part in (*parts, "1")[:3])
    if step == 0:
        raise InvalidSpec(f"the range {text!r} has a step of zero")
    steps = (end - start) / step
    if steps < 0:
        raise InvalidSpec(f"the range {text!r} has no values: its start is after its end")
    count = int(steps) + 1
    _refuse_too_many(count)
    if all(_INTEGER.fullmatch(part) for part in parts):
        return range(int(start), int(start) + count * int(step), int(step))
    return [float(start + number * step) for number in range(count)]


def _refuse_too_many(count: int) -> None:
    if count > MAX_COMBINATIONS:
        raise InvalidSpec(
            f"{count:,} values are too many: at most {MAX_COMBINATIONS:,} are allowed for one entry"
        )


def _format(value: ParameterValue, format_spec: str) -> str:
    if isinstance(value, int) and (found := _INTEGER_FORMAT.fullmatch(format_spec)):
        return f"{value:0{found[1]}d}"
    if isinstance(value, float) and (found := _NUMBER_FORMAT.fullmatch(format_spec)):
        return f"{value:.{found[1]}f}"
    return _plain(value)


def _plain(value: ParameterValue) -> str:
    """Formatted as in Torc: 1.0 is ``1``, and small numbers have no exponent."""
    if isinstance(value, float) and math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if isinstance(value, float):
        return format(Decimal(repr(value)), "f").removesuffix(".0")
    return str(value)
