"""Parses and formats memory sizes and durations in Torc's notation.

A memory size is a number of bytes; its text is an integer with a binary unit k, m, g or t in either
case, or without a unit for bytes. A duration is a whole number of seconds; its text is ISO 8601.
"""

import math
import re

from torc_watch.core.errors import InvalidQuantity

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
TIB = 1024 * GIB

_MEMORY = re.compile(r"(?P<number>[0-9]{1,19})(?P<unit>[kmgt]?)", re.IGNORECASE | re.ASCII)
_BYTES_PER_UNIT = {"": 1, "k": KIB, "m": MIB, "g": GIB, "t": TIB}
_MAX_MEMORY = 2**63 - 1  # bytes; the largest number that Torc stores

_MINUTE = 60
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR
_WHOLE_HOURS = 100  # from which tenths do not matter
# Torc counts a year as 365.25 days, and a month as a twelfth of that.
_SECONDS_PER_FIELD = {
    "years": 365.25 * _DAY,
    "months": 365.25 / 12 * _DAY,
    "weeks": 7 * _DAY,
    "days": _DAY,
    "hours": _HOUR,
    "minutes": _MINUTE,
    "seconds": 1,
}
_NUMBER = r"[0-9]{1,12}(?:[.,][0-9]{1,9})?"
_DURATION = re.compile(
    rf"P(?=[0-9T])(?:(?P<years>{_NUMBER})Y)?(?:(?P<months>{_NUMBER})M)?(?:(?P<weeks>{_NUMBER})W)?"
    rf"(?:(?P<days>{_NUMBER})D)?(?:T(?=[0-9])(?:(?P<hours>{_NUMBER})H)?"
    rf"(?:(?P<minutes>{_NUMBER})M)?(?:(?P<seconds>{_NUMBER})S)?)?",
    re.ASCII,
)


def parse_memory(text: str) -> int:
    """The bytes in a memory text such as ``8g``, ``512m`` or ``1024``.

    Raises InvalidQuantity for what Torc's server rejects: fractions, ``8gb``, signs, blanks, and
    sizes over 2**63 - 1 bytes.
    """
    match = _MEMORY.fullmatch(text)
    size = int(match["number"]) * _BYTES_PER_UNIT[match["unit"].lower()] if match else None
    if size is None or size > _MAX_MEMORY:
        raise InvalidQuantity(
            f"{text!r} is not a memory size: write a whole number and k, m, g or t, such as 512m"
        )
    return size


def format_memory(size: int) -> str:
    """The shortest exact text of ``size`` bytes: 8589934592 is ``8g``, 1536 MiB is ``1536m``."""
    for unit, factor in (("t", TIB), ("g", GIB), ("m", MIB), ("k", KIB)):
        if size and size % factor == 0:
            return f"{size // factor}{unit}"
    return str(size)


def rounded_memory(size: int) -> str:
    """``size`` bytes rounded to a tenth, for display of measured sizes: ``23.5g``."""
    for unit, factor in (("t", TIB), ("g", GIB), ("m", MIB), ("k", KIB)):
        if size >= factor:
            return f"{size / factor:.1f}{unit}".replace(".0", "")
    return str(size)


def parse_duration(text: str) -> int:
    """The seconds in an ISO 8601 duration such as ``PT1H30M``, rounded up.

    Raises InvalidQuantity for other texts and for negative durations.
    """
    return math.ceil(
        sum(
            float(number.replace(",", ".")) * _SECONDS_PER_FIELD[field]
            for field, number in _fields_of_duration(text).items()
        )
    )


def _fields_of_duration(text: str) -> dict[str, str]:
    match = _DURATION.fullmatch(text)
    if match is None:
        raise InvalidQuantity(
            f"{text!r} is not a duration: use ISO 8601, such as PT1H30M or P1DT12H"
        )
    return {field: number for field, number in match.groupdict().items() if number is not None}


def counted_duration(text: str) -> int:
    """The seconds that Torc 1.0 counts: nothing from the first fraction on, nor after weeks.

    ``PT1H1.5M`` are 3600. Raises InvalidQuantity as ``parse_duration`` does.
    """
    seconds = 0.0
    for field, number in _fields_of_duration(text).items():
        whole, *fraction = re.split("[.,]", number)
        if (fraction and field != "seconds") or (field == "weeks" and seconds):
            break
        seconds += int(whole) * _SECONDS_PER_FIELD[field]
        if field == "weeks":
            break
    return int(seconds)


def format_duration(seconds: int) -> str:
    """The ISO 8601 text of ``seconds`` in days, hours, minutes and seconds: 5400 is ``PT1H30M``."""
    days, rest = divmod(seconds, _DAY)
    hours, rest = divmod(rest, _HOUR)
    minutes, rest = divmod(rest, _MINUTE)
    date = f"{days}D" if days else ""
    time = "".join(
        f"{number}{letter}"
        for number, letter in ((hours, "H"), (minutes, "M"), (rest, "S"))
        if number
    )
    if time:
        return f"P{date}T{time}"
    return f"P{date}" if date else "PT0S"


def duration_text(seconds: float) -> str:
    """In its two largest units, rounded down, for people: ``45 s``, ``2 min 5 s``, ``1 d 3 h``."""
    left = max(0, int(seconds))
    parts: list[str] = []
    for unit, size in (("d", _DAY), ("h", _HOUR), ("min", _MINUTE), ("s", 1)):
        number, left = divmod(left, size)
        if number:
            parts.append(f"{number} {unit}")
        elif parts:
            break
    return " ".join(parts[:2]) or "0 s"


def hours_text(hours: float) -> str:
    """Such as ``12.4`` or ``318``."""
    return f"{hours:.0f}" if hours >= _WHOLE_HOURS else f"{hours:.1f}"
