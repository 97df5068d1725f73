"""Walltimes as Slurm's users write them, in whole seconds. None is no limit."""

import re

from torc_watch.core.errors import InvalidQuantity
from torc_watch.core.units import parse_duration

_NO_LIMIT = "UNLIMITED"
_NAMES_OF_NO_LIMIT = (_NO_LIMIT, "INFINITE")
_WALLTIME = re.compile(
    r"(?:(?P<days>[0-9]{1,6})-)?(?P<first>[0-9]{1,9})(?::(?P<second>[0-9]{1,2}))?"
    r"(?::(?P<third>[0-9]{1,2}))?",
    re.ASCII,
)
_FORMS = "write days-hours:minutes:seconds, such as 2-00:00:00 or 4:00:00, or UNLIMITED"


def parse_walltime(text: str) -> int | None:
    """Seconds of ``M``, ``M:S``, ``H:M:S``, ``D-H``, ``D-H:M``, ``D-H:M:S`` or ``PT4H``.

    Raises InvalidQuantity for other texts, for 0, and for minutes like 61, which Slurm carries
    over without a word.
    """
    if text.upper() in _NAMES_OF_NO_LIMIT:
        return None
    seconds = parse_duration(text) if text.startswith("P") else _seconds(text)
    if seconds == 0:
        raise InvalidQuantity(f"{text!r} is no time: {_FORMS}")
    return seconds


def format_walltime(seconds: int | None) -> str:
    """As Slurm prints it, hours always shown: ``2-00:00:00``, ``4:00:00``, ``0:30:00``."""
    if seconds is None:
        return _NO_LIMIT
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    return (f"{days}-{hour:02}" if days else f"{hour}") + f":{minute:02}:{second:02}"


def _seconds(text: str) -> int:
    match = _WALLTIME.fullmatch(text)
    if match is None:
        raise InvalidQuantity(f"{text!r} is not a walltime: {_FORMS}")
    first, second, third = (int(match[name] or 0) for name in ("first", "second", "third"))
    if match["days"] is not None:
        days, hours, minutes, seconds = int(match["days"]), first, second, third
    elif match["third"] is not None:
        days, hours, minutes, seconds = 0, first, second, third
    else:
        days, hours, minutes, seconds = 0, 0, first, second
    _check(text, "hours", hours, limit=24 if match["days"] else None)
    _check(text, "minutes", minutes, limit=60 if match["days"] or match["third"] else None)
    _check(text, "seconds", seconds, limit=60)
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def _check(text: str, field: str, number: int, *, limit: int | None) -> None:
    if limit is not None and number >= limit:
        raise InvalidQuantity(f"{text!r} is not a walltime, for its {number} {field}: {_FORMS}")
