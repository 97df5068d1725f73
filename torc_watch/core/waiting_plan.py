"""A plan that waits for the user's approval, as the daemon publishes it: plain values."""

from dataclasses import dataclass

from torc_watch.core.units import hours_text


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingPlan:
    """Times are ISO 8601; ``node_hours`` at most, None on this machine. ``starts_at`` is when Slurm
    expects the first allocation to start, None where it does not say. ``reason`` says why the user
    is asked. The names are keys of status.json: they do not change.
    """

    plan_id: str
    jobs: int
    node_hours: float | None
    allocations: int
    starts_at: str | None
    reason: str
    proposed_at: str

    @property
    def phrase(self) -> str:
        """Such as ``for approval of plan 7f3a2c1b: 12 jobs, at most 40 node hours``."""
        jobs = "1 job" if self.jobs == 1 else f"{self.jobs} jobs"
        hours = self.node_hours
        cost = "no node hours" if hours is None else f"at most {hours_text(hours)} node hours"
        return f"for approval of plan {self.plan_id}: {jobs}, {cost}"
