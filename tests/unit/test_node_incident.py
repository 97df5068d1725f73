"""The score that a node gets for failures: laws, and what is said of single cases."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torc_watch.core.cause import Cause
from torc_watch.core.node_incident import (
    HALF_LIFE,
    THRESHOLD,
    NodeIncident,
    incident_score,
    is_node_name,
    node_scores,
)

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
INCIDENT = NodeIncident(
    cluster="ridge",
    node="n1",
    cause=Cause.NODE,
    at=NOW,
    server="http://torc",
    workflow_id=42,
    run_id=1,
    job_id=7,
    job_name="train",
)
CAUSES = (Cause.NODE, Cause.GPU, Cause.FILE_SYSTEM, Cause.CODE)


def incident(cause: Cause = Cause.NODE, *, seconds_ago: float = 0, **more: object) -> NodeIncident:
    values = {"cause": cause, "at": NOW - timedelta(seconds=seconds_ago), **more}
    return replace(INCIDENT, **values)  # type: ignore[arg-type]


incidents = st.builds(
    incident,
    st.sampled_from(CAUSES),
    seconds_ago=st.floats(-60, 600) | st.floats(0, 10**6),
    counts=st.booleans(),
)


@given(st.lists(incidents), st.floats(0, 10**6), st.floats(0, 10**6))
def test_score_never_rises_with_time(group: list[NodeIncident], first: float, later: float) -> None:
    early, late = NOW + timedelta(seconds=first), NOW + timedelta(seconds=first + later)
    assert incident_score(group, late) <= incident_score(group, early) * (1 + 1e-9)


@given(st.lists(incidents), incidents)
def test_one_more_incident_never_lowers_the_score(
    group: list[NodeIncident], more: NodeIncident
) -> None:
    assert incident_score([*group, more], NOW) >= incident_score(group, NOW) * (1 - 1e-9)


@given(st.lists(incidents).flatmap(lambda group: st.tuples(st.just(group), st.permutations(group))))
def test_order_does_not_matter(groups: tuple[list[NodeIncident], list[NodeIncident]]) -> None:
    first, second = groups
    assert incident_score(first, NOW) == pytest.approx(incident_score(second, NOW))


@pytest.mark.parametrize(
    ("group", "score"),
    [
        pytest.param([], 0, id="nothing"),
        pytest.param([incident()], 1, id="its node failed"),
        pytest.param([incident(Cause.FILE_SYSTEM)], 0.5, id="a file system"),
        pytest.param([incident(Cause.CODE)], 0.5, id="fast failure that succeeded elsewhere"),
        pytest.param([incident(Cause.CODE, counts=False)], 0, id="has not succeeded elsewhere"),
        pytest.param(
            [incident(job_id=number, seconds_ago=number % 40) for number in range(100)],
            1,
            id="one crash with 100 jobs",
        ),
        pytest.param(
            [incident(Cause.FILE_SYSTEM, seconds_ago=10), incident()], 1, id="the worst of a minute"
        ),
        pytest.param(
            [incident(seconds_ago=HALF_LIFE.total_seconds()), incident()], 1.5, id="half of an old"
        ),
        pytest.param(
            [incident(seconds_ago=-40), incident(), incident(seconds_ago=40)],
            2,
            id="a chain of minutes is not one incident",
        ),
        pytest.param([incident(seconds_ago=-3600)], 1, id="by a clock that is ahead"),
    ],
)
def test_score(group: list[NodeIncident], score: float) -> None:
    assert incident_score(group, NOW) == pytest.approx(score, abs=1e-2)


def test_trouble_with_a_file_system_has_to_repeat_itself() -> None:
    once = [incident(Cause.FILE_SYSTEM)]
    assert not node_scores(once, NOW)[0].is_bad
    assert node_scores([*once, incident(Cause.FILE_SYSTEM, seconds_ago=600)], NOW)[0].is_bad
    assert THRESHOLD > 0.5


def test_nodes_are_apart_and_the_worst_comes_first() -> None:
    found = node_scores(
        [
            incident(Cause.FILE_SYSTEM, node="n2"),
            incident(node="n1", job_id=1, seconds_ago=300),
            incident(node="n1", job_id=2),
            incident(node="n1", cluster="valley"),
            incident(node="n3", counts=False),
            incident(node="n4", seconds_ago=8 * 24 * 3600),
        ],
        NOW,
    )
    assert [(each.cluster, each.node) for each in found] == [
        *(("ridge", "n1"), ("valley", "n1"), ("ridge", "n2")),
    ]
    assert [each.job_id for each in found[0].incidents] == [2, 1]


@pytest.mark.parametrize(
    ("text", "is_name"),
    [
        ("n07", True),
        ("gpu-3.example.org", True),
        ("n_1", True),
        ("", False),
        ("n[1-2]", False),
        ("n1,n2", False),
        ("-x", False),
        ("/etc/hosts", False),
        ("n1 --uid=0", False),
        ("n1\n", False),
        ("ñ1", False),
        ("n" * 256, False),
    ],
)
def test_names_of_nodes(text: str, is_name: bool) -> None:
    assert is_node_name(text) is is_name
