"""The steps of one recovery round and their order.

The journal records that a step begins before it changes anything, and that it is finished after all
its changes. After a crash a round continues with the first unfinished step; each step finds out by
itself how much of it is done. The order makes a round repeatable:

- orphans first, so that no job runs while jobs are reset;
- the plan is fixed before the first change that it calls for, and never made again;
- requirements before the reset, so that no worker can claim a job with its old ones;
- allocations last, when jobs are ready for them.
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
    ABANDONED = "abandoned"  # another user or process changed the workflow meanwhile
    FAILED = "failed"  # the hook failed, or a scheduler refused
