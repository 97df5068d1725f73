"""Numbers and times as the page shows them."""

from datetime import datetime

from torc_watch.core.units import duration_text, hours_text
from torc_watch.render.report_page.markup import Markup, element

_TENTH = 0.1


def moment(time: datetime) -> Markup:
    """In the time zone of this machine, to the minute."""
    return element("time", clock(time), datetime=time.isoformat(timespec="seconds"))


def clock(time: datetime) -> str:
    return f"{time.astimezone():%Y-%m-%d %H:%M}"


def zone(time: datetime) -> str:
    """Such as ``CET (UTC+01:00)``."""
    there = time.astimezone()
    offset = f"UTC{there:%z}"
    shown = f"{offset[:-2]}:{offset[-2:]}"
    name = there.tzname() or ""
    return "UTC" if name == "UTC" else f"{name} ({shown})"


def count(number: int, noun: str, plural: str | None = None) -> str:
    """Such as ``1 job`` or ``10,000 jobs``."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def percent(part: float, whole: float) -> str:
    if not whole:
        return "0%"
    share = part / whole * 100
    return f"{share:.1f}%" if 0 < share < 1 else f"{share:.0f}%"


def hours(number: float) -> str:
    """Two digits of what is small."""
    return f"{number:.2g}" if 0 < number < _TENTH else hours_text(number)


def duration(seconds: float) -> str:
    return duration_text(seconds) if seconds >= 1 or not seconds else "below 1 s"


def sentence(text: str) -> str:
    """With a capital letter, and a period at its end."""
    shown = f"{text[:1].upper()}{text[1:]}"
    return shown if shown.endswith((".", "!", "?", ":")) or not shown else f"{shown}."
