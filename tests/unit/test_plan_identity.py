"""The ID of a plan: the same world gives the same, whatever else it gives another."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torc_watch.core.allocation import AllocationSpec
from torc_watch.core.cause import Cause
from torc_watch.core.model import Requirements
from torc_watch.core.plan_identity import plan_id
from torc_watch.core.recovery_round import Adjustment, Plan, Repeat, Retry, Skip
from torc_watch.core.units import GIB

SERVER, CREATED = "http://n1:8080/torc-service/v1", "2026-11-30T06:00:00Z"
BASE = Requirements(id=3, name="small", num_cpus=1, num_gpus=0, num_nodes=1, memory=GIB, runtime=60)
OOM = Retry(job_id=5, job_name="train", cause=Cause.OOM, reason="killed", memory=(GIB, 2 * GIB))
UNKNOWN = Retry(job_id=2, job_name="plot", cause=Cause.UNKNOWN, reason="exit status 3")
ADJUSTMENT = Adjustment(name="small.run2", base=BASE, memory=2 * GIB, runtime=60, job_ids=(5,))
NODE = AllocationSpec(
    token="tw42-abc-1",  # noqa: S106 - no password
    num_cpus=4,
    memory=8 * GIB,
    runtime=3600,
    options=("--account=a",),
    excluded_nodes=("n7", "n9"),
)
OTHER = replace(NODE, token="tw42-abc-2", num_nodes=2)  # noqa: S106
PLAN = Plan(
    workflow_id=42,
    run_id=1,
    number=1,
    retries=(OOM, UNKNOWN),
    uninitialized=0,
    repeated=(Repeat(job_id=8, job_name="sum"), Repeat(job_id=7, job_name="mean")),
    left_alone=(
        Skip(job_id=9, job_name="x", cause=Cause.CODE, reason="no", restarts_anyway=False),
    ),
    adjustments=(ADJUSTMENT,),
    scheduler_type="slurm",
    scheduler_config_id=1,
    allocations=(NODE, OTHER),
)


def id_of(plan: Plan, *, server: str = SERVER, created: str = CREATED) -> str:
    return plan_id(plan, server=server, created=created)


def test_id_is_the_same_in_every_process() -> None:
    assert id_of(PLAN) == "b1320ada"


def test_versions_without_raised_cpus_know_the_plan_by_the_same_id() -> None:
    assert id_of(replace(PLAN, adjustments=(replace(ADJUSTMENT, num_cpus=None),))) == id_of(PLAN)


@pytest.mark.parametrize(
    "changes",
    [
        {"adjustments": (replace(ADJUSTMENT, num_cpus=2),)},
        {"run_id": 2},
        {"workflow_id": 43},
        {"retries": (OOM,)},
        {"retries": (replace(OOM, memory=(GIB, 3 * GIB)), UNKNOWN)},
        {"retries": (replace(OOM, memory=None), UNKNOWN)},
        {"retries": (OOM, replace(UNKNOWN, runtime=(60, 90)))},
        {"uninitialized": 1},
        {"repeated": None},
        {"repeated": ()},
        {"left_alone": ()},
        {"adjustments": ()},
        {"adjustments": (replace(ADJUSTMENT, base=replace(BASE, num_cpus=2)),)},
        {"scheduler_type": "local"},
        {"scheduler_config_id": 2},
        {"allocations": (NODE,)},
        {"allocations": (NODE, NODE)},
        {"joins_workers": True},
        {"unserved": (1,)},
    ],
    ids=str,
)
def test_what_a_plan_changes_is_its_identity(changes: dict[str, Any]) -> None:
    assert id_of(replace(PLAN, **changes)) != id_of(PLAN)


@pytest.mark.parametrize(
    "changes",
    [
        {"options": ("--account=b",)},
        {"num_nodes": 3},
        {"num_cpus": 5},
        {"num_gpus": 1},
        {"memory": GIB},
        {"runtime": None},
        {"runtime": 3601},
        {"scheduler_config_id": 9},
        {"excluded_nodes": ("n7",)},
    ],
    ids=str,
)
def test_what_an_allocation_asks_for_is_in_it(changes: dict[str, Any]) -> None:
    changed = replace(PLAN, allocations=(replace(NODE, **changes), OTHER))
    assert id_of(changed) != id_of(PLAN)


def test_workflows_of_other_servers_have_other_plans() -> None:
    others = {id_of(PLAN, server="http://n2:8080/torc-service/v1"), id_of(PLAN, created="later")}
    assert len(others | {id_of(PLAN)}) == 3


@given(
    token=st.text(),
    reason=st.text(),
    name=st.text(),
    number=st.integers(1, 9),
    completed=st.integers(0, 9),
    uses_retry=st.booleans(),
)
def test_what_varies_by_itself_is_no_part_of_it(
    token: str, reason: str, name: str, number: int, completed: int, uses_retry: bool
) -> None:
    retries = (replace(UNKNOWN, reason=reason, job_name=name), replace(OOM, fingerprint=reason))
    changed = replace(
        PLAN,
        retries=retries,
        number=number,
        completed=completed,
        uses_retry=uses_retry,
        allocations=(replace(OTHER, token=token), replace(NODE, excluded_nodes=("n9", "n7"))),
    )
    assert id_of(changed) == id_of(PLAN)


@given(
    st.lists(
        st.tuples(st.integers(1, 20), st.integers(1, 5), st.integers(1, 5)),
        unique_by=lambda each: each[0],
        max_size=5,
    ),
    st.lists(
        st.tuples(st.integers(1, 20), st.integers(1, 5), st.integers(1, 5)),
        unique_by=lambda each: each[0],
        max_size=5,
    ),
)
def test_two_plans_are_one_only_if_they_raise_the_same_jobs_to_the_same(
    one: list[tuple[int, int, int]], other: list[tuple[int, int, int]]
) -> None:
    def plan(raised: list[tuple[int, int, int]]) -> Plan:
        retries = tuple(
            replace(OOM, job_id=job, memory=(GIB, memory * GIB), runtime=(60, 60 * runtime))
            for job, memory, runtime in raised
        )
        return replace(PLAN, retries=retries)

    assert (id_of(plan(one)) == id_of(plan(other))) == (set(one) == set(other))
