"""For which failures a node is to blame, and how many nodes allocations keep away from."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torc_watch.core.allocation import NodeClass
from torc_watch.core.cause import Cause
from torc_watch.core.findings import Finding
from torc_watch.core.model import Job, JobStatus
from torc_watch.core.node_blame import (
    MOST_EXCLUDED,
    avoided_nodes,
    excluded_nodes,
    incidents_of,
    most_excluded,
)
from torc_watch.core.node_incident import node_scores
from torc_watch.core.workflow_key import WorkflowKey

NOW = datetime(2026, 11, 29, 12, 0, 30, tzinfo=UTC)
KEY = WorkflowKey("http://torc", 42)


def finding(
    cause: Cause,
    node: str | None = "n1",
    *,
    job: int = 1,
    ran: float | None = 600,
    ended: datetime | None = NOW,
    run: int = 3,
) -> Finding:
    return Finding(
        job=Job(
            id=job,
            name=f"job{job}",
            command="true",
            status=JobStatus.FAILED,
            requirements_id=None,
            attempt=1,
        ),
        cause=cause,
        reason="",
        requirements=None,
        ran=ran,
        run_id=run,
        ended=ended,
        node=node,
    )


@pytest.mark.parametrize(
    ("findings", "expected"),
    [
        pytest.param([finding(Cause.NODE)], [("n1", True)], id="its node failed"),
        pytest.param([finding(Cause.GPU)], [("n1", True)], id="its GPU"),
        pytest.param([finding(Cause.FILE_SYSTEM)], [("n1", True)], id="a file system"),
        pytest.param([finding(Cause.CODE)], [], id="an error of the program after ten minutes"),
        pytest.param([finding(Cause.CODE, ran=5)], [("n1", False)], id="in its first minute"),
        pytest.param([finding(Cause.UNKNOWN, ran=0)], [("n1", False)], id="nothing is known"),
        pytest.param([finding(Cause.UNKNOWN, ran=None)], [], id="no run time is known"),
        pytest.param([finding(Cause.OOM, ran=5)], [], id="its request explains it"),
        pytest.param([finding(Cause.PREEMPTED, ran=5)], [], id="others ended it"),
        pytest.param([finding(Cause.SUSPECT, ran=5)], [], id="it succeeded"),
        pytest.param([finding(Cause.NODE, None)], [], id="its node is not known"),
        pytest.param([finding(Cause.NODE, "n1;reboot")], [], id="no name of a node"),
        pytest.param(
            [finding(Cause.NODE, job=number) for number in (3, 2, 1)],
            [("n1", True)],
            id="one crash",
        ),
        pytest.param(
            [finding(Cause.NODE), finding(Cause.NODE, job=2, ended=NOW + timedelta(minutes=1))],
            [("n1", True)],
            id="a node that fails job after job",
        ),
        pytest.param(
            [finding(Cause.NODE), finding(Cause.NODE, job=2, run=2)],
            [("n1", True), ("n1", True)],
            id="in two runs",
        ),
        pytest.param(
            [finding(Cause.NODE, "N1.example.org")], [("n1", True)], id="without its domain"
        ),
        pytest.param(
            [finding(Cause.GPU, f"n1.site{number}") for number in range(3)],
            [("n1", True)],
            id="one node by several names",
        ),
        pytest.param(
            [finding(Cause.GPU, f"n{number}", job=number) for number in (1, 2)],
            [("n1", True), ("n2", True)],
            id="on two nodes",
        ),
        pytest.param(
            [finding(Cause.GPU, f"n{number}", job=number) for number in (1, 2, 3)],
            [],
            id="on three nodes it is no node's fault",
        ),
        pytest.param(
            [finding(Cause.NODE, f"n{number}", job=number) for number in (1, 2, 3)],
            [("n1", True), ("n2", True), ("n3", True)],
            id="three nodes that failed",
        ),
    ],
)
def test_incidents(findings: list[Finding], expected: list[tuple[str, bool]]) -> None:
    found = incidents_of(findings, KEY, cluster="ridge", now=NOW)
    assert [(each.node, each.counts) for each in found] == expected
    assert all((each.server, each.workflow_id) == KEY for each in found)


@pytest.mark.parametrize("order", [1, -1])
def test_incident_names_the_job_that_ended_last(order: int) -> None:
    earlier = NOW - timedelta(seconds=20)
    findings = [
        finding(Cause.NODE, job=3, ended=earlier),
        finding(Cause.NODE, job=4),
        finding(Cause.NODE, job=9),
    ]
    (found,) = incidents_of(findings[::order], KEY, cluster="ridge", now=NOW)
    assert (found.job_id, found.job_name, found.run_id) == (4, "job4", 3)
    assert (found.at, found.cluster, found.cause) == (NOW, "ridge", Cause.NODE)


def test_incident_of_unknown_time_is_now() -> None:
    (found,) = incidents_of([finding(Cause.NODE, ended=None)], KEY, cluster="", now=NOW)
    assert found.at == NOW


@pytest.mark.parametrize(
    ("findings", "avoided"),
    [
        pytest.param([], ("bad",), id="nothing failed now"),
        pytest.param([finding(Cause.FILE_SYSTEM)], ("bad", "n1"), id="tried elsewhere"),
        pytest.param([finding(Cause.CODE)], ("bad", "n1"), id="to be confirmed elsewhere"),
        pytest.param([finding(Cause.OOM)], ("bad",), id="gets more memory"),
        pytest.param([finding(Cause.NODE, "bad")], ("bad",), id="named once"),
        pytest.param(
            [finding(Cause.CODE, f"n{number}") for number in range(5)],
            ("bad",),
            id="everywhere the same",
        ),
    ],
)
def test_avoided_nodes(findings: list[Finding], avoided: tuple[str, ...]) -> None:
    incidents = incidents_of(
        [finding(Cause.NODE, "bad"), finding(Cause.FILE_SYSTEM, "good")],
        KEY,
        cluster="ridge",
        now=NOW,
    )
    scores = node_scores(incidents, NOW)
    assert avoided_nodes(scores, findings, cluster="ridge") == avoided
    assert "bad" not in avoided_nodes(scores, [], cluster="valley")


@given(st.integers(0, 2000), st.integers(1, 50))
def test_enough_nodes_are_left(nodes: int, needed: int) -> None:
    excluded = most_excluded(nodes, needed=needed)
    assert 0 <= excluded <= MOST_EXCLUDED
    assert excluded <= max(1, nodes // 10)
    assert not excluded or nodes - excluded >= max(2, needed)
    assert excluded <= most_excluded(nodes + 1, needed=needed)


def nodes(*names: str) -> NodeClass:
    return NodeClass(num_cpus=4, memory=1, count=max(1, len(names)), names=frozenset(names))


TWENTY = nodes(*(f"n{number}" for number in range(20)))


@pytest.mark.parametrize(
    ("avoided", "classes", "needed", "excluded"),
    [
        pytest.param(["n9", "n2", "n1"], [TWENTY], 1, ("n2", "n9"), id="the worst, by name"),
        pytest.param(["g1", "n2", "n1"], [TWENTY], 1, ("n1", "n2"), id="others do not count"),
        pytest.param(["n2", "n1"], [TWENTY], 20, (), id="all are needed"),
        pytest.param(["n2", "n1"], [TWENTY], 19, ("n2",), id="one can be spared"),
        pytest.param(["a"], [nodes("A.x", "b.x", "c.x")], 1, ("A.x",), id="by Slurm's own name"),
        pytest.param(["a"], [nodes("a.x", "a.y", "c.x")], 1, (), id="either of two"),
        pytest.param(["a"], [nodes("a", "b")], 1, (), id="of two none"),
        pytest.param(["a"], [nodes("a", "b", "c")], 1, ("a",), id="of three one"),
        pytest.param(["a"], [nodes("a", "b"), nodes("c")], 1, ("a",), id="of all classes"),
        pytest.param(["a"], [nodes("a", "b"), nodes("a", "b")], 1, (), id="nodes in two classes"),
        pytest.param(["a"], [nodes()], 1, (), id="no names are known"),
        pytest.param([], [TWENTY], 1, (), id="none is bad"),
    ],
)
def test_excluded_nodes(
    avoided: list[str], classes: list[NodeClass], needed: int, excluded: tuple[str, ...]
) -> None:
    assert excluded_nodes(avoided, classes, needed=needed) == excluded
