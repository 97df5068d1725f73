"""How long Torc's runner lets its jobs end before it kills them. Pure.

When Slurm ends an allocation, it sends SIGTERM, and KillWait seconds later SIGKILL. In direct mode
the runner then sends SIGTERM to its jobs, kills them ``sigterm_lead_seconds`` later, and only then
reports them all. By default both take 30 seconds, so that the runner is killed before it reports.
"""

import math

from torc_watch.core.model import Workflow

TORCS_LEAD = 30  # seconds, where the workflow does not say
_TIME_TO_REPORT = 5  # seconds; measured: one


def fitting_lead(kill_wait: int) -> int | None:
    """The longest lead after which there is time to report; None where Torc's own is as short.

    Both in seconds. Of a short KillWait half is left; the lead is never below 1, with which Torc's
    runner still sends SIGTERM and SIGKILL.
    """
    lead = max(1, kill_wait - min(_TIME_TO_REPORT, math.ceil(kill_wait / 2)))
    return lead if lead < TORCS_LEAD else None


def may_set_lead(workflow: Workflow) -> bool:
    """Not one that the user has set. In slurm mode there is none: the jobs' steps are Slurm's."""
    return workflow.sigterm_lead is None and not workflow.spreads_jobs
