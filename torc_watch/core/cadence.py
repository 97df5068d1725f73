"""When to look again. All values are seconds; ``chance`` is a random number in [0, 1)."""

_SPREAD = 0.1  # of an interval, so that many watches do not ask in the same second
_FIRST_DELAY = 1.0
_LONGEST_DELAY = 60.0

# The server moves dependants of finished jobs on its own clock, every 30 seconds. Before that much
# time and a bit has passed, blocked jobs with nothing to run them may still be on their way.
STALL_GRACE = 45.0

# A runner that finds nothing to do for 90 seconds leaves, and so does one that sees its workflow
# complete; Torc 1.0's looks at least every 300 seconds. Who has not left after all of that is dead.
LEAVING_GRACE = 600.0


def until_next_poll(interval: float, chance: float) -> float:
    """The poll interval, made up to a tenth shorter: never longer than the user asked for."""
    return interval * (1 - _SPREAD * chance)


def until_next_try(failures: int, chance: float) -> float:
    """How long to leave an unwell server alone after ``failures`` (at least 1) in a row."""
    delay = min(_LONGEST_DELAY, _FIRST_DELAY * 2.0 ** min(failures - 1, 10))
    return delay * (1 - chance / 2)
