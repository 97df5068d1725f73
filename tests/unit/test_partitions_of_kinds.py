"""Requests by evidence where the jobs' own partition gives less than another one."""

from dataclasses import replace
from typing import Any

import pytest

from tests.rigs.failed_kinds import NODE, WRITTEN, attempt, failed, job, situation
from torc_watch.core.allocation import Admission
from torc_watch.core.cause import Cause
from torc_watch.core.kind_history import AttemptEnd
from torc_watch.core.model import SLURM, JobStatus, SchedulerConfig
from torc_watch.core.policy import plan
from torc_watch.core.recovery_round import Plan, RecoverySettings
from torc_watch.core.units import GIB

ROW = SchedulerConfig(
    id=9, name="cpu", scheduler_type=SLURM, num_cpus=16, memory=None, partitions=("cpu",)
)
NODES = (
    replace(NODE, partition="cpu", memory=64 * GIB),
    replace(NODE, partition="large", memory=240 * GIB, admission=Admission()),
)
CLUSTER: dict[str, Any] = {"scheduler_type": SLURM, "configs": (ROW,), "nodes": NODES}


@pytest.mark.parametrize(
    ("peak", "gib"),
    [
        pytest.param(20, 30, id="the own one has enough"),
        pytest.param(50, 64, id="as much as the own one has"),
        pytest.param(70, 105, id="seen to need more than that"),
    ],
)
def test_job_leaves_its_partition_only_where_it_was_seen_to_need_more(peak: int, gib: int) -> None:
    answer = plan(situation([failed(1, peak_memory=peak * GIB)], **CLUSTER), RecoverySettings())
    assert isinstance(answer, Plan)
    assert [each.memory for each in answer.retries] == [(8 * GIB, gib * GIB)]


@pytest.mark.parametrize(("killed_at", "gib"), [(60, 64), (70, 77)])
def test_waiting_job_leaves_it_where_a_peer_was_killed_with_all_it_has(
    killed_at: int, gib: int
) -> None:
    past = [attempt(7, AttemptEnd.OUT_OF_MEMORY, gib=killed_at)]
    seen = situation([], past, waiting=[job(2, status=JobStatus.READY)], **CLUSTER)
    answer = plan(seen, RecoverySettings())
    assert isinstance(answer, Plan)
    assert [each.memory for each in answer.raises] == [(8 * GIB, gib * GIB)]


def test_cpus_are_those_of_the_partition_that_has_the_time() -> None:
    nodes = (replace(NODES[0], runtime=3600), replace(NODES[1], num_cpus=64))
    finding = failed(1, Cause.TIMEOUT, asked=replace(WRITTEN, num_cpus=12))
    answer = plan(
        situation([finding], **(CLUSTER | {"nodes": nodes})), RecoverySettings(cpu_multiplier=2.0)
    )
    assert isinstance(answer, Plan)
    assert [(each.runtime, each.cpus) for each in answer.retries] == [((3600, 7200), (12, 24))]


def test_job_that_no_node_can_run_does_not_keep_its_peers_from_their_sizes() -> None:
    too_large = replace(WRITTEN, id=4, name="small.run2.300g.PT1H", memory=300 * GIB)
    findings = [failed(1, asked=too_large), *(failed(number) for number in range(2, 7))]
    answer = plan(situation(findings, rows=(too_large,)), RecoverySettings())
    assert isinstance(answer, Plan)
    assert [(each.job_id, each.is_scout) for each in answer.retries] == [(4, True)]
