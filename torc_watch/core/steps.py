"""The steps of one recovery round, and which of them comes next.

A step is journaled as begun before anything of it is done, and as finished when all of it is. After
a crash a round goes on with the first step that was not finished; each step finds out by itself how
much of it had been done. The order is what keeps a round repeatable:

- orphans first, so that nothing runs while jobs are reset;
- the plan is fixed before the first change that it asks for, and never made again;
- requirements before the reset, so that no worker can take a job with its old ones;
- allocations last, when there is something ready for them.
"""

from collections.abc import Collection
from enum import StrEnum


class Step(StrEnum):
    ORPHANS = "orphans"
    DIAGNOSE = "diagnose"
    PLAN = "plan"
    HOOK = "hook"
    ADJUST = "adjust"
    RESET = "reset"
    REINITIALIZE = "reinitialize"
    ALLOCATE = "allocate"
    DONE = "done"


def next_step(finished: Collection[Step]) -> Step:
    """The first step that is not finished; DONE is never finished, so that it ends every round."""
    return next(step for step in Step if step not in finished or step is Step.DONE)


class RoundOutcome(StrEnum):
    RESUBMITTED = "resubmitted"
    REFUSED = "refused"  # no plan: handed over
    ABANDONED = "abandoned"  # somebody else changed the workflow in the meantime
    FAILED = "failed"  # the hook said no, or a scheduler refused
