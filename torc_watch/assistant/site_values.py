"""What is answered about the site: allocations, nodes, and the rules for failures."""

from torc_watch.assistant.answer_size import name, sentence
from torc_watch.assistant.tool_set import Values
from torc_watch.core.allocation import AllocationStatus
from torc_watch.core.model import Allocation
from torc_watch.core.node_incident import NodeScore
from torc_watch.failures.rule import Rule
from torc_watch.render.cause_text import cause_text
from torc_watch.render.node_list import node_phrase


class AllocationEntry(Values):
    """``status`` is Torc's, ``state`` the scheduler's; ``detail`` says what it waits for."""

    scheduler: str
    number: int
    status: str
    state: str
    cause: str | None = None
    began: str | None = None
    detail: str | None = None


class AllocationsAnswer(Values):
    workflow_id: int
    allocations: list[AllocationEntry]
    total: int
    more: str | None = None


class NodeEntry(Values):
    node: str
    cluster: str
    score: float
    excluded: bool
    summary: str


class NodesAnswer(Values):
    nodes: list[NodeEntry]
    total: int
    more: str | None = None


class RuleEntry(Values):
    name: str
    cause: str
    says: str
    pattern: str | None = None
    example: str | None = None
    remedy: str | None = None


class RulesAnswer(Values):
    rules: list[RuleEntry]
    total: int
    more: str | None = None


def allocation_entry(allocation: Allocation, status: AllocationStatus) -> AllocationEntry:
    return AllocationEntry(
        scheduler=name(allocation.scheduler_type),
        number=allocation.scheduler_id,
        status=name(allocation.status),
        state=status.state.value,
        cause=status.cause and status.cause.value,
        began=status.began.isoformat() if status.began else None,
        detail=sentence(status.detail) or None,
    )


def node_entry(score: NodeScore, *, excludes: bool) -> NodeEntry:
    return NodeEntry(
        node=name(score.node),
        cluster=name(score.cluster),
        score=round(score.score, 2),
        excluded=score.is_bad and excludes,
        summary=sentence(node_phrase(score)),
    )


def rule_entry(rule: Rule, *, in_full: bool) -> RuleEntry:
    return RuleEntry(
        name=name(rule.name),
        cause=cause_text(rule.cause),
        says=sentence(rule.says),
        pattern=rule.pattern if in_full else None,
        example=rule.example if in_full else None,
        remedy=rule.remedy.value if in_full and rule.remedy else None,
    )
