"""The identity of a plan: who has it has seen the plan.

It is a digest of all that the plan changes in the world as it is now. The same world gives the same
in every process, so that nothing has to be stored between ``plan`` and ``recover --plan``. Tokens,
texts and times, which vary by themselves, are no part of it; nor is what a round costs of a watch.
"""

import json
from dataclasses import asdict
from hashlib import sha256
from typing import Any

from torc_watch.core.allocation import AllocationSpec
from torc_watch.core.recovery_round import Adjustment, Plan

_DIGITS = 8


def plan_id(plan: Plan, *, server: str, created: str) -> str:
    """8 hexadecimal digits.

    ``server`` is the base URL of its API, ``created`` the server's own text of when it created the
    workflow, which tells it from a later one with the same ID.
    """
    text = json.dumps([server, created, _changes(plan)], sort_keys=True)
    return sha256(text.encode()).hexdigest()[:_DIGITS]


def changed_plan(workflow_id: int, now: str) -> str:
    """Why a plan that a user has seen is not carried out; ``now`` is the ID of today's, or empty.

    Also that nothing was changed, and how to see what would be.
    """
    what = f"it is {now} now" if now else "there is none now"
    return (
        f"The plan of workflow {workflow_id} changed since you saw it: {what}. Nothing was "
        f"changed. See the new one with: torc-watchd plan {workflow_id}"
    )


def begun_plan(workflow_id: int, begun: str) -> str:
    """Why a round that a user asks for does not begin: one with the plan ``begun`` did not end."""
    return (
        f"A round of workflow {workflow_id} with another plan, {begun}, began and did not end. "
        f"Nothing was changed. Finish that round first with: torc-watchd recover {workflow_id}"
    )


def _changes(plan: Plan) -> dict[str, Any]:
    """As JSON can hold it, whatever the order in which server and scheduler told it."""
    return {
        "workflow": [plan.workflow_id, plan.run_id],
        "retries": sorted([each.job_id, each.memory, each.runtime] for each in plan.retries),
        "runs_hook": plan.hopes_for_repair,
        "uninitialized": plan.uninitialized,
        "repeated": None
        if plan.repeated is None
        else sorted(each.job_id for each in plan.repeated),
        "left_alone": sorted([each.job_id, each.restarts_anyway] for each in plan.left_alone),
        "adjustments": sorted(map(_adjustment, plan.adjustments)),
        "scheduler": [plan.scheduler_type, plan.scheduler_config_id],
        "allocations": sorted(map(_allocation, plan.allocations)),
        "unserved": [plan.joins_workers, *sorted(plan.unserved)],
    }


def _adjustment(adjustment: Adjustment) -> str:
    """Without CPUs that do not change, which earlier versions did not know."""
    values = asdict(adjustment)
    if adjustment.num_cpus is None:
        del values["num_cpus"]
    return _canonical(values)


def _allocation(spec: AllocationSpec) -> str:
    values = asdict(spec)
    del values["token"]
    return _canonical(values | {"excluded_nodes": sorted(spec.excluded_nodes)})


def _canonical(values: dict[str, Any]) -> str:
    return json.dumps(values, sort_keys=True)
