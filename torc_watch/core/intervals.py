"""When to poll again. All values are seconds; ``chance`` is a random number in [0, 1)."""

import math
from collections.abc import Mapping

_SPREAD = 0.1  # of an interval, so that many watches do not poll in the same second
_FIRST_SPREAD = 0.9  # watches that begin together would otherwise stay together for many polls
_WIDEST_SPREAD = 3600.0  # each second of it is examined, and a poll interval may be a year
_FIRST_DELAY = 1.0
_LONGEST_DELAY = 60.0

# The server unblocks dependents of finished jobs on its own clock, every 30 seconds. Before that
# much time and a bit has passed, blocked jobs without workers may still be unblocked.
STALL_GRACE = 45.0

# A runner that finds no job for 90 seconds leaves, and so does one that sees its workflow complete;
# Torc 1.0's polls at least every 300 seconds. A runner that has not left after all of that is dead.
LEAVING_GRACE = 600.0

# A worker reports its jobs before it ends, and a scheduler's accounting learns of its end some
# seconds later, or half a minute after the accounting was away.
END_GRACE = 120.0

# A node that failed may still run jobs until it answers its scheduler. Most are back, or were
# restarted, within a few minutes; of the others only the user can find out.
NODE_GRACE = 600.0

# Ready jobs that no allocation will take may still be about to be claimed, or to get allocations by
# an action of the workflow.
UNSERVED_GRACE = 120.0
# After allocations were submitted for such jobs, before more are; doubled for each time in a row
# after which no job has completed since, or none of those jobs was taken.
UNSERVED_COOLDOWN = 600.0
# Allocations come nearer to their end although nothing else changes.
UNSERVED_INTERVAL = 600.0
_MOST_DOUBLINGS = 4
# Jobs that run again while others run are claimed within seconds, or there is no worker for them.
AFTER_RETRY = 10.0
# Failures while others run are looked at together: until there are no more for a moment, or for a
# second. The last poll is that far back, too.
QUIET_AFTER_FAILURE = 0.2
FAILURES_TOGETHER = 1.1
BETWEEN_FAILURES = 1.0
# Jobs that wait for a scout are looked at again that late at the earliest, unless others complete.
SCOUT_INTERVAL = 60.0
# A worker starts what it claims within a second, or within a minute on a slow file system.
STRANDED_GRACE = 180.0


def unserved_cooldown(fruitless: int) -> float:
    return UNSERVED_COOLDOWN * 2.0 ** min(fruitless, _MOST_DOUBLINGS)


def next_poll_time(
    now: float, interval: float, chance: float, planned: Mapping[int, int], *, is_first: bool
) -> float:
    """The time of a watch's next poll: within ``interval`` from ``now``, at most a tenth earlier.

    It is in a second for which the fewest polls are ``planned`` (polls by second). The first wait
    of a watch may be much shorter, where other watches took the seconds of that tenth first.
    Neither is shorter by more than an hour.
    """
    latest = now + interval
    spread = min(interval * _SPREAD, _WIDEST_SPREAD)
    quietest = _quietest_seconds(latest - spread, latest, planned)
    if is_first and quietest and planned.get(quietest[0]):
        widest = min(interval * _FIRST_SPREAD, _WIDEST_SPREAD)
        quietest = _quietest_seconds(latest - widest, latest, planned)
    if not quietest:
        return latest - spread * chance
    place = chance * len(quietest)
    return quietest[int(place)] + place % 1


def _quietest_seconds(earliest: float, latest: float, planned: Mapping[int, int]) -> list[int]:
    """The whole seconds in between for which the fewest polls are planned."""
    seconds = range(math.ceil(earliest), math.floor(latest))
    fewest = min((planned.get(second, 0) for second in seconds), default=0)
    return [second for second in seconds if planned.get(second, 0) == fewest]


def backoff_delay(failures: int, chance: float) -> float:
    """How long to wait before the next attempt, after ``failures`` (at least 1) in a row."""
    delay = min(_LONGEST_DELAY, _FIRST_DELAY * 2.0 ** min(failures - 1, 10))
    return delay * (1 - chance / 2)
