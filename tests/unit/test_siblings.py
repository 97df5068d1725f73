"""Jobs alike that succeeded elsewhere."""

from dataclasses import replace

import pytest

from torc_watch.core.cause import Cause, Remedy
from torc_watch.core.clue import Clue, Weight
from torc_watch.core.fact import Confidence, Source
from torc_watch.core.findings import Finding
from torc_watch.core.job_node import JobNode
from torc_watch.core.model import Job, JobStatus
from torc_watch.core.siblings import blame_nodes, kind_of

ENVIRONMENT, CODE = Cause.ENVIRONMENT, Cause.CODE


def job(job_id: int, *, name: str = "train", requirements: int = 1) -> Job:
    return Job(
        id=job_id,
        name=f"{name}_{job_id}",
        command="true",
        status=JobStatus.FAILED,
        requirements_id=requirements,
        attempt=1,
    )


def failed(job_id: int, cause: Cause, fingerprint: str = "same") -> Finding:
    return Finding(
        job=job(job_id),
        cause=cause,
        reason="because",
        requirements=None,
        fingerprint=fingerprint,
        confidence=Confidence.PROVEN,
    )


def blamed(
    cause: Cause,
    failures: list[str | None],
    successes: list[str | None],
    *,
    fingerprints: str = "aaaaaaaa",
    name: str = "train",
    requirements: int = 1,
) -> set[Cause]:
    """The causes of failures on these nodes, after successes on those."""
    findings = [failed(number, cause, fingerprints[number]) for number in range(len(failures))]
    completed = [
        job(100 + number, name=name, requirements=requirements) for number in range(len(successes))
    ]
    nodes = {each.job.id: JobNode(name=node) for each, node in zip(findings, failures, strict=True)}
    nodes |= {each.id: JobNode(name=node) for each, node in zip(completed, successes, strict=True)}
    return {finding.cause for finding in blame_nodes(findings, completed, nodes)}


BAD, GOOD = "n7", "n1"


@pytest.mark.parametrize(
    ("causes", "expected"),
    [
        pytest.param(
            blamed(ENVIRONMENT, [BAD] * 2, [GOOD]), Cause.NODE, id="two failures on one node"
        ),
        pytest.param(
            blamed(ENVIRONMENT, [BAD], [GOOD] * 3), Cause.NODE, id="three successes elsewhere"
        ),
        pytest.param(blamed(ENVIRONMENT, [BAD], [GOOD] * 2), ENVIRONMENT, id="too few of both"),
        pytest.param(blamed(ENVIRONMENT, [BAD] * 5, []), ENVIRONMENT, id="no success"),
        pytest.param(
            blamed(ENVIRONMENT, [BAD] * 5, [GOOD, BAD]), ENVIRONMENT, id="a success there"
        ),
        pytest.param(
            blamed(ENVIRONMENT, [BAD, GOOD], ["n2"] * 9), ENVIRONMENT, id="failures on two nodes"
        ),
        pytest.param(
            blamed(ENVIRONMENT, [BAD, None], [GOOD] * 9),
            ENVIRONMENT,
            id="one ran nobody knows where",
        ),
        pytest.param(
            blamed(ENVIRONMENT, [BAD] * 2, [GOOD, None]),
            ENVIRONMENT,
            id="one succeeded nobody knows where",
        ),
        pytest.param(
            blamed(ENVIRONMENT, [BAD] * 2, [GOOD] * 9, name="test"),
            ENVIRONMENT,
            id="others with another name",
        ),
        pytest.param(
            blamed(ENVIRONMENT, [BAD] * 2, [GOOD] * 9, requirements=2),
            ENVIRONMENT,
            id="others with other requirements",
        ),
        pytest.param(blamed(CODE, [BAD] * 2, [GOOD] * 3), Cause.NODE, id="an error of the program"),
        pytest.param(blamed(CODE, [BAD] * 2, [GOOD] * 2), CODE, id="an error of few"),
        pytest.param(blamed(CODE, [BAD], [GOOD] * 9), CODE, id="an error of one input"),
        pytest.param(
            blamed(CODE, [BAD] * 2, [GOOD] * 9, fingerprints="ab"), CODE, id="different errors"
        ),
        pytest.param(
            blamed(Cause.OOM, [BAD] * 5, [GOOD] * 9), Cause.OOM, id="what no node is to blame for"
        ),
    ],
)
def test_node_is_to_blame(causes: set[Cause], expected: Cause) -> None:
    assert causes == {expected}


def test_node_to_blame_ends_the_remedy_of_the_rule() -> None:
    clue = Clue(
        rule="mine",
        cause=ENVIRONMENT,
        weight=Weight.FATAL,
        says="a module is missing",
        line="no module",
        file="job.e",
        remedy=Remedy.HAND_OVER,
    )
    findings = [replace(failed(number, ENVIRONMENT), clue=clue) for number in (0, 1)]
    nodes = {0: JobNode(name=BAD), 1: JobNode(name=BAD), 100: JobNode(name=GOOD)}
    found = blame_nodes(findings, [job(100)], nodes)
    assert [each.remedy for each in findings] == [Remedy.HAND_OVER] * 2
    assert [(each.cause, each.remedy) for each in found] == [(Cause.NODE, Remedy.RETRY)] * 2


def test_what_is_told() -> None:
    findings = [failed(1, ENVIRONMENT), failed(2, ENVIRONMENT)]
    nodes = {1: JobNode(name=BAD), 2: JobNode(name=BAD), 3: JobNode(name=GOOD)}
    first, second = blame_nodes(findings, [job(3)], nodes)
    told = "1 job like it succeeded on other nodes, all 2 that failed ran on n7"
    assert first.reason == f"because; {told}"
    assert first.confidence is Confidence.LIKELY
    assert (first.facts[-1].source, first.facts[-1].text) == (Source.SIBLINGS, told)
    assert first.fingerprint == second.fingerprint == "n7: same"


@pytest.mark.parametrize(
    ("failure", "success", "cause"),
    [
        pytest.param(
            JobNode(name="t1", host="vm"), JobNode(name="t2", host="vm"), Cause.NODE, id="names"
        ),
        pytest.param(
            JobNode(name="n1", host="n1.site.org"),
            JobNode(host="n1.site.org"),
            ENVIRONMENT,
            id="a name beside a host",
        ),
        pytest.param(
            JobNode(name="n1", host="n1.site.org"),
            JobNode(host="n2.site.org"),
            Cause.NODE,
            id="other hosts",
        ),
        pytest.param(JobNode(name="n1"), JobNode(host="n2"), ENVIRONMENT, id="nothing to compare"),
    ],
)
def test_names_of_the_scheduler_are_not_mixed_with_others(
    failure: JobNode, success: JobNode, cause: Cause
) -> None:
    findings = [failed(1, ENVIRONMENT), failed(2, ENVIRONMENT)]
    nodes = {1: failure, 2: failure, 3: success}
    assert {each.cause for each in blame_nodes(findings, [job(3)], nodes)} == {cause}


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("train_7", "train"),
        ("train_007", "train"),
        ("train-3.5", "train"),
        ("train[3]", "train"),
        ("train_1_2", "train"),
        ("train_7b", "train_7b"),
        ("train", "train"),
        ("train_", "train_"),
        ("7", ""),
    ],
)
def test_stem_of_a_name(name: str, stem: str) -> None:
    assert kind_of(replace(job(1), name=name)) == (stem, 1)
