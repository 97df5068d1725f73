"""How many node hours a workflow has used, from the rows of its workers."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torc_watch.core.allocation import AllocationSpec
from torc_watch.core.model import Allocation, ComputeNode, SchedulerConfig
from torc_watch.core.node_hour_limit import affordable, limit_reason
from torc_watch.core.node_hours import NodeHours, hours_of, most_hours_of, node_hours
from torc_watch.core.units import GIB, hours_text

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
NOW = START + 10 * HOUR


def worker(
    number: int,
    *,
    host: str = "n1",
    allocation: int | None = 1,
    began: float = 0,
    hours: float | None = 1,
    limit: float | None = None,
    nodes: int = 1,
    is_of_slurm: bool = True,
) -> ComputeNode:
    return ComputeNode(
        id=number,
        hostname=host,
        pid=number,
        allocation_id=allocation,
        has_ended=hours is not None,
        started=START + began * HOUR,
        limit=None if limit is None else START + limit * HOUR,
        seconds=None if hours is None else hours * 3600,
        num_nodes=nodes,
        is_of_slurm=is_of_slurm,
    )


@pytest.mark.parametrize(
    ("workers", "hours"),
    [
        pytest.param([], 0, id="none"),
        pytest.param([worker(1)], 1, id="one"),
        pytest.param([worker(1, nodes=4)], 4, id="one-for-four-nodes"),
        pytest.param([worker(1), worker(2)], 1, id="two-workers-on-one-node"),
        pytest.param([worker(1), worker(2, began=0.5)], 1.5, id="overlap"),
        pytest.param([worker(1), worker(2, began=3)], 2, id="requeued"),
        pytest.param([worker(1), worker(2, host="n2")], 2, id="two-nodes"),
        pytest.param([worker(1, nodes=2), worker(2, host="n2", nodes=2)], 2, id="both-say-two"),
        pytest.param(
            [worker(1, nodes=2), worker(2, host="n2", nodes=2, hours=3)], 6, id="one-stays-longer"
        ),
        pytest.param(
            [worker(1, nodes=4), worker(2, host="n9", began=5, nodes=4)], 8, id="requeued-elsewhere"
        ),
        pytest.param([worker(1), worker(2, allocation=2)], 2, id="two-allocations-share-a-node"),
        pytest.param([worker(1, allocation=None), worker(2, allocation=None)], 2, id="no-row"),
        pytest.param([worker(1, hours=None)], 10, id="running"),
        pytest.param([worker(1, hours=None, limit=4)], 4, id="died-without-a-word"),
        pytest.param([worker(1, hours=6, limit=4)], 4, id="closed-late"),
        pytest.param([worker(1, is_of_slurm=False)], 0, id="this-machine"),
        pytest.param([replace(worker(1), started=None)], 0, id="no-start"),
        pytest.param([worker(1, began=20, hours=None)], 0, id="fast-clock"),
        pytest.param([worker(1, nodes=0)], 1, id="no-number-of-nodes"),
    ],
)
def test_node_hours_used(workers: list[ComputeNode], hours: float) -> None:
    found = node_hours(workers, NOW)
    assert found.used == pytest.approx(hours)
    assert not found.reserved


def test_what_allocations_may_still_use_is_reserved() -> None:
    found = node_hours([worker(1), worker(2, allocation=2, hours=9)], NOW, {1: 4, 2: 8, 3: 2})
    assert (found.used, found.reserved) == (10, 3 + 0 + 2)


SPEC = AllocationSpec(token="t", num_cpus=1, memory=GIB, num_nodes=2, runtime=2 * 3600)  # noqa: S106
ROW = SchedulerConfig(
    id=9, name="s", scheduler_type="slurm", num_cpus=1, memory=GIB, num_nodes=3, runtime=3600
)
QUEUED = Allocation(
    id=1, scheduler_id=77, scheduler_config_id=9, scheduler_type="slurm", status="pending"
)


@pytest.mark.parametrize(
    ("specs", "configs", "hours"),
    [
        pytest.param({77: SPEC}, {9: ROW}, 4, id="ours"),
        pytest.param({}, {9: ROW}, 3, id="of-the-row"),
        pytest.param({}, {}, 0, id="unknown"),
        pytest.param({}, {9: replace(ROW, runtime=None)}, 0, id="without-a-limit"),
    ],
)
def test_most_that_an_allocation_may_use(
    specs: dict[int, AllocationSpec], configs: dict[int, SchedulerConfig], hours: float
) -> None:
    assert most_hours_of(QUEUED, specs, configs) == hours


@given(st.lists(st.integers(1, 5), max_size=6), st.floats(-5, 60))
def test_no_more_is_submitted_than_is_left(nodes: list[int], left: float) -> None:
    specs = [replace(SPEC, num_nodes=number) for number in nodes]
    chosen = affordable(specs, left)
    assert list(chosen) == specs[: len(chosen)]
    assert sum(map(hours_of, chosen)) <= max(0.0, left)
    if len(chosen) < len(specs):
        assert sum(map(hours_of, specs[: len(chosen) + 1])) > left


def test_allocation_without_a_limit_is_never_affordable() -> None:
    assert affordable([replace(SPEC, runtime=None)], 1e9) == ()


@pytest.mark.parametrize(
    ("hours", "wanted", "words"),
    [
        (
            NodeHours(used=48.25),
            4.0,
            "asks for 4.0 more. To allow more: torc-watchd set 42 --max-node-hours 53",
        ),
        (
            NodeHours(used=48.25),
            4.0,
            "has used 48.2 of the 50 node hours that it may use; the",
        ),
        (NodeHours(used=40, reserved=9), 4.0, "and may use 9.0 more; the next allocation asks"),
        (NodeHours(used=400), math.inf, "has no time limit. To allow more: torc-watchd set 42 "),
        (NodeHours(used=4, reserved=math.inf), 4.0, "; one of its allocations has no time limit"),
    ],
)
def test_refusal_names_what_is_used_and_what_to_do(
    hours: NodeHours, wanted: float, words: str
) -> None:
    assert words in limit_reason(42, hours, 50, wanted)


def test_hours_are_rounded() -> None:
    assert [hours_text(hours) for hours in (0, 0.04, 12.36, 318.4)] == ["0.0", "0.0", "12.4", "318"]
