"""When news goes: quiet hours, digests, at most so many messages an hour, and retries.

What waits for a channel goes as one message, so a delay makes a digest. Times are aware.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Self

from torc_watch.core.errors import InvalidInput

MOST_ATTEMPTS = 52  # to send one piece of news: about a day, with the delays below
DEFAULT_PER_HOUR = 10
_HOUR = timedelta(hours=1)
_FIRST_DELAY = 30.0  # seconds
_LONGEST_DELAY = 1800.0
_MOST_DOUBLINGS = 10
_CLOCK = r"([01]?[0-9]|2[0-3]):([0-5][0-9])"
_HOURS = re.compile(rf"{_CLOCK}\s*-\s*{_CLOCK}", re.ASCII)


@dataclass(frozen=True, slots=True)
class QuietHours:
    """Every day from ``start`` to before ``end`` on the clocks there, perhaps over midnight."""

    start: time
    end: time

    @classmethod
    def parse(cls, text: str) -> Self:
        """Of ``22:00-07:00``. Raises InvalidInput."""
        found = _HOURS.fullmatch(text.strip())
        if found is None:
            raise InvalidInput(f"{text!r} are no quiet hours: write them as 22:00-07:00")
        numbers = [int(number) for number in found.groups()]
        hours = cls(time(numbers[0], numbers[1]), time(numbers[2], numbers[3]))
        if hours.start == hours.end:
            raise InvalidInput(f"{text!r} would be quiet always, or never: give two times")
        return hours

    def contain(self, clock: time) -> bool:
        if self.start < self.end:
            return self.start <= clock < self.end
        return clock >= self.start or clock < self.end

    def __str__(self) -> str:
        return f"{self.start:%H:%M}-{self.end:%H:%M}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewsLimits:
    """``digest`` is how long the first news may wait for others, ``per_hour`` how many messages
    a channel sends at most."""

    quiet_hours: QuietHours | None = None
    digest: timedelta = timedelta()
    per_hour: int = DEFAULT_PER_HOUR


def is_due(
    now: datetime,
    local: time,
    oldest: datetime,
    sent: Collection[datetime],
    limits: NewsLimits,
) -> bool:
    """Whether the news that waits may go now; ``local`` is what the clocks here show then.

    ``oldest`` is the time of the oldest news that waits, ``sent`` has those of the channel's
    messages of the last hour.
    """
    if limits.quiet_hours and limits.quiet_hours.contain(local):
        return False
    if now - oldest < limits.digest:
        return False
    return sum(now - moment < _HOUR for moment in sent) < limits.per_hour


def retry_delay(failures: int) -> timedelta:
    """After ``failures`` (at least 1) in a row."""
    doublings = min(failures - 1, _MOST_DOUBLINGS)
    return timedelta(seconds=min(_LONGEST_DELAY, _FIRST_DELAY * 2.0**doublings))
