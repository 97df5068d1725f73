"""Jobs that ask for more than any node gives are left out of a round, and named at its end."""

import dataclasses

import pytest

from tests.unit.test_policy import SMALL, finding, job, planned, refused, situation
from torc_watch.core.allocation import NodeClass
from torc_watch.core.cause import Cause
from torc_watch.core.model import JobStatus, Requirements
from torc_watch.core.node_classes import lack_reason
from torc_watch.core.policy import plan
from torc_watch.core.recovery_round import Plan, RecoverySettings, RefusalKind
from torc_watch.core.situation import Situation
from torc_watch.core.units import GIB

_SHORT = NodeClass(num_cpus=4, memory=8 * GIB, runtime=300, partition="short")
_LARGE = NodeClass(num_cpus=4, memory=64 * GIB, runtime=60)
_HUGE = dataclasses.replace(SMALL, id=4, memory=9 * GIB)


def asking(memory: int = GIB, runtime: int = 60, gpus: int = 0) -> Requirements:
    return dataclasses.replace(SMALL, memory=memory, runtime=runtime, num_gpus=gpus)


@pytest.mark.parametrize(
    ("asked", "nodes", "words"),
    [
        (None, [_SHORT], ""),
        (asking(8 * GIB, 300), [_SHORT], ""),
        (asking(9 * GIB), [_SHORT, _LARGE], ""),
        (asking(runtime=600), [_SHORT], "PT10M of run time, and a node of partition short gives"),
        (asking(runtime=600), [dataclasses.replace(_SHORT, runtime=None)], ""),
        (asking(9 * GIB), [_SHORT], "9g of memory, and a node of partition short has at most 8g"),
        (asking(9 * GIB, 300), [_SHORT, _LARGE], "no node has"),
        (asking(gpus=1), [_SHORT], "no node has"),
    ],
)
def test_reason_names_what_no_node_has(
    asked: Requirements | None, nodes: list[NodeClass], words: str
) -> None:
    reason = lack_reason(asked, nodes)
    assert words in reason
    assert bool(reason) is bool(words)


def waiting(*requirements: Requirements) -> Situation:
    jobs = tuple(
        job(number, JobStatus.READY, each.id) for number, each in enumerate(requirements, 7)
    )
    found = situation(counts={JobStatus.READY: len(jobs)}, waiting=jobs)
    return dataclasses.replace(found, requirements={each.id: each for each in requirements})


def test_nothing_is_submitted_for_jobs_that_no_node_can_run() -> None:
    refusal = refused(waiting(_HUGE, _HUGE))
    assert refusal.kind is RefusalKind.NOTHING_TO_RETRY
    assert "Job 7 (train_7) and 1 more cannot run: it requests 9g of memory" in refusal.reason


def test_allocation_is_as_large_as_the_jobs_that_can_run_need() -> None:
    answer = plan(waiting(SMALL, _HUGE), RecoverySettings())
    assert isinstance(answer, Plan)
    assert [each.memory for each in answer.allocations] == [GIB]


def test_failed_job_that_no_node_can_run_is_skipped() -> None:
    answer = planned(finding(7, Cause.UNKNOWN, asked=_HUGE), finding(8, Cause.UNKNOWN))
    assert [retry.job_id for retry in answer.retries] == [8]
    assert "9g of memory" in answer.left_alone[0].reason
