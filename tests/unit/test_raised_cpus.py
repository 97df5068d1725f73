"""More CPUs for jobs that ran out of time, where the user asks for that."""

from dataclasses import replace

import pytest

from tests.rigs.failed_kinds import NODE, WRITTEN, failed, situation
from torc_watch.core.cause import Cause
from torc_watch.core.policy import plan
from torc_watch.core.recovery_round import Plan, RecoverySettings
from torc_watch.core.sizing_policy import SizingPolicy
from torc_watch.core.units import GIB

TIMEOUT = failed(1, Cause.TIMEOUT)


def planned(*findings: object, multiplier: float | None, **more: object) -> Plan:
    settings = RecoverySettings(cpu_multiplier=multiplier)
    answer = plan(situation(findings, **more), settings)  # type: ignore[arg-type]
    assert isinstance(answer, Plan)
    return answer


@pytest.mark.parametrize(
    ("multiplier", "asked", "after"),
    [
        pytest.param(None, 2, None, id="not asked for"),
        pytest.param(2.0, 2, 4, id="multiplied"),
        pytest.param(1.5, 3, 5, id="rounded up"),
        pytest.param(1.1, 2, 3, id="at least one more"),
        pytest.param(100.0, 2, 16, id="at most those of a node"),
        pytest.param(2.0, 16, None, id="all of them already"),
        pytest.param(2.0, 40, None, id="never fewer"),
    ],
)
def test_cpus_after_a_timeout(multiplier: float | None, asked: int, after: int | None) -> None:
    finding = replace(TIMEOUT, requirements=replace(WRITTEN, num_cpus=asked))
    answer = planned(finding, multiplier=multiplier)
    (retry,), (row,) = answer.retries, answer.adjustments
    assert retry.cpus == (None if after is None else (asked, after))
    assert (row.num_cpus, row.request.num_cpus) == (after, after or asked)
    assert row.name == f"small.run2.8g.PT2H{f'.{after}cpus' if after else ''}"
    assert answer.allocations[0].num_cpus >= min(after or asked, NODE.num_cpus)


@pytest.mark.parametrize("cause", [each for each in Cause if each is not Cause.TIMEOUT])
def test_nothing_else_raises_cpus(cause: Cause) -> None:
    answer = planned(failed(2, cause), TIMEOUT, multiplier=2.0)
    assert [each.job_id for each in answer.retries if each.cpus] == [1]


def test_fixed_multipliers_leave_room_for_it() -> None:
    settings = RecoverySettings(sizing=SizingPolicy.FIXED, cpu_multiplier=2.0)
    answer = plan(situation([TIMEOUT]), settings)
    assert isinstance(answer, Plan)
    assert (answer.retries[0].runtime, answer.retries[0].cpus) == ((3600, 5400), (2, 4))


def test_nodes_that_cannot_run_it_do_not_count() -> None:
    nodes = (NODE, replace(NODE, num_cpus=64, memory=4 * GIB), replace(NODE, num_cpus=3))
    answer = planned(TIMEOUT, multiplier=100.0, nodes=nodes)
    assert answer.retries[0].cpus == (2, 16)
