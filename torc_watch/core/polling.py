"""When to look again. All values are seconds; ``chance`` is a random number in [0, 1)."""

import math
from collections.abc import Mapping

_SPREAD = 0.1  # of an interval, so that many watches do not ask in the same second
_FIRST_SPREAD = 0.9  # begun together, they would go on together for many rounds
_WIDEST_SPREAD = 3600.0  # each second of it is looked at, and a person may ask for a look a year
_FIRST_DELAY = 1.0
_LONGEST_DELAY = 60.0

# The server moves dependants of finished jobs on its own clock, every 30 seconds. Before that much
# time and a bit has passed, blocked jobs with nothing to run them may still be on their way.
STALL_GRACE = 45.0

# A runner that finds nothing to do for 90 seconds leaves, and so does one that sees its workflow
# complete; Torc 1.0's looks at least every 300 seconds. Who has not left after all of that is dead.
LEAVING_GRACE = 600.0


def next_poll(
    now: float, interval: float, chance: float, planned: Mapping[int, int], *, is_first: bool
) -> float:
    """The moment of a watch's next look: within ``interval`` from ``now``, at most a tenth earlier.

    It is in a second for which the fewest looks are ``planned`` (looks by second). The first wait
    of a watch may be much shorter, where others were quicker to take the seconds of that tenth.
    Neither is shorter by more than an hour.
    """
    latest = now + interval
    spread = min(interval * _SPREAD, _WIDEST_SPREAD)
    quietest = _quietest(latest - spread, latest, planned)
    if is_first and quietest and planned.get(quietest[0]):
        widest = min(interval * _FIRST_SPREAD, _WIDEST_SPREAD)
        quietest = _quietest(latest - widest, latest, planned)
    if not quietest:
        return latest - spread * chance
    place = chance * len(quietest)
    return quietest[int(place)] + place % 1


def _quietest(earliest: float, latest: float, planned: Mapping[int, int]) -> list[int]:
    """The whole seconds in between for which the fewest looks are planned."""
    seconds = range(math.ceil(earliest), math.floor(latest))
    fewest = min((planned.get(second, 0) for second in seconds), default=0)
    return [second for second in seconds if planned.get(second, 0) == fewest]


def until_next_try(failures: int, chance: float) -> float:
    """How long to leave an unwell server alone after ``failures`` (at least 1) in a row."""
    delay = min(_LONGEST_DELAY, _FIRST_DELAY * 2.0 ** min(failures - 1, 10))
    return delay * (1 - chance / 2)
