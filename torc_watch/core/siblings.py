"""Jobs alike that succeeded elsewhere: then their node is to blame, and not the program."""

import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from torc_watch.core.cause import Cause
from torc_watch.core.fact import Confidence, Fact, Source
from torc_watch.core.findings import Finding
from torc_watch.core.job_node import JobNode
from torc_watch.core.model import Job

# What a program or its input does wrong, it does on every node.
_OF_THE_JOB = frozenset({Cause.CODE, Cause.INPUT, Cause.UNKNOWN})
_OF_A_NODE = frozenset({Cause.ENVIRONMENT, Cause.FILE_SYSTEM, Cause.GPU})
SUSPECTED = _OF_THE_JOB | _OF_A_NODE

_MANY_FAILURES = 2  # on one node
_MANY_SUCCESSES = 3  # elsewhere
_NUMBERING = string.digits + string.punctuation

Kind = tuple[str, int | None]


def kind_of(job: Job) -> Kind:
    """Jobs are alike that share their requirements, and their name up to its trailing numbers."""
    stem = job.name.rstrip(_NUMBERING)
    has_number = any(map(str.isdecimal, job.name[len(stem) :]))
    return stem if has_number else job.name, job.requirements_id


def blame_nodes(
    findings: Iterable[Finding], completed: Iterable[Job], nodes: Mapping[int, JobNode]
) -> tuple[Finding, ...]:
    """The findings; of those that are due to their node the cause is NODE.

    So it is if all jobs that failed alike did so on one node, where none succeeded, and others
    succeeded elsewhere. One failure is enough only for what nodes can be missing or do wrong.
    ``nodes`` has where each job ran, by its ID.
    """
    findings = tuple(findings)
    succeeded: dict[Kind, list[JobNode]] = {}
    for job in completed:
        succeeded.setdefault(kind_of(job), []).append(nodes.get(job.id, JobNode()))
    blamed: dict[int, Finding] = {}
    for alike in _groups(findings):
        failed_on = [nodes.get(each.job.id, JobNode()) for each in alike]
        succeeded_on = succeeded.get(kind_of(alike[0].job), [])
        if _is_on_one_node(failed_on, succeeded_on) and _is_enough(alike, succeeded_on):
            phrase = _phrase(failed_on, succeeded_on)
            node = failed_on[0].shown
            blamed |= {each.job.id: _blamed(each, phrase, node) for each in alike}
    return tuple(blamed.get(each.job.id, each) for each in findings)


def _groups(findings: Sequence[Finding]) -> Iterable[list[Finding]]:
    groups: dict[tuple[Kind, Cause, str], list[Finding]] = {}
    for finding in findings:
        if finding.cause in SUSPECTED:
            key = kind_of(finding.job), finding.cause, finding.fingerprint or finding.reason
            groups.setdefault(key, []).append(finding)
    return groups.values()


def _is_on_one_node(failed_on: Sequence[JobNode], succeeded_on: Sequence[JobNode]) -> bool:
    """By the scheduler's names, if all are known, else by those that the nodes have themselves."""
    for names in (
        [[each.name for each in nodes] for nodes in (failed_on, succeeded_on)],
        [[each.host for each in nodes] for nodes in (failed_on, succeeded_on)],
    ):
        failed, succeeded = names
        if None not in (*failed, *succeeded):
            return len(set(failed)) == 1 and failed[0] not in succeeded
    return False


def _is_enough(alike: Sequence[Finding], succeeded_on: Sequence[JobNode]) -> bool:
    many_failures = len(alike) >= _MANY_FAILURES
    many_successes = len(succeeded_on) >= _MANY_SUCCESSES
    if alike[0].cause in _OF_THE_JOB:
        return many_failures and many_successes
    return bool(succeeded_on) and (many_failures or many_successes)


def _phrase(failed_on: Sequence[JobNode], succeeded_on: Sequence[JobNode]) -> str:
    successes, failures = len(succeeded_on), len(failed_on)
    succeeded = "1 job like it" if successes == 1 else f"{successes} jobs like it"
    failed = "the one that failed" if failures == 1 else f"all {failures} that failed"
    return f"{succeeded} succeeded on other nodes, {failed} ran on {failed_on[0].shown}"


def _blamed(finding: Finding, phrase: str, node: str | None) -> Finding:
    fact = Fact(source=Source.SIBLINGS, text=phrase, cause=Cause.NODE)
    return replace(
        finding,
        cause=Cause.NODE,
        reason=f"{finding.reason}; {phrase}",
        confidence=Confidence.LIKELY,
        fingerprint=f"{node}: {finding.fingerprint or finding.reason}",
        facts=(*finding.facts, fact),
    )
