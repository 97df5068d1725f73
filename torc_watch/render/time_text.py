"""Times and durations as text: how long ago, in how long, at what local time."""

from datetime import datetime, timedelta


def ago(moment: str, now: datetime) -> str:
    """How long ago a time was, ISO 8601: ``3 min ago``."""
    return f"{duration(now - datetime.fromisoformat(moment))} ago"


def until(moment: str, now: datetime) -> str:
    """In how long a time will come: ``in 40 s``; ``now`` if it has come."""
    left = datetime.fromisoformat(moment) - now
    return f"in {duration(left)}" if left >= timedelta(seconds=1) else "now"


def duration(span: timedelta) -> str:
    """In one unit, the largest of which there are at least two: 90 s, 3 min, 47 h."""
    seconds = max(0, int(span.total_seconds()))
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def waits_until(until: datetime, reason: str) -> str:
    """Such as ``until 14:05 to run 3 jobs again: ...``, with the date if that is another day."""
    there = until.astimezone()
    is_today = there.date() == datetime.now(there.tzinfo).date()
    return f"until {there:{'%H:%M' if is_today else '%Y-%m-%d %H:%M'}} {reason}"


def local_time(moment: str) -> str:
    """A time, ISO 8601, in the reader's time zone: ``2026-11-22 18:02:59``."""
    return f"{datetime.fromisoformat(moment).astimezone():%Y-%m-%d %H:%M:%S}"
