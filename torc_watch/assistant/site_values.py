"""What is answered about the site: allocations, nodes, and the rules for failures."""

from torc_watch.assistant.answer_size import name, sentence
from torc_watch.assistant.tool_set import Values
from torc_watch.core.allocation import AllocationStatus
from torc_watch.core.model import Allocation
from torc_watch.core.node_incident import NodeScore
from torc_watch.failures.rule import Rule
from torc_watch.render.cause_text import cause_text
from torc_watch.render.node_list import node_phrase


class AllocationRow(Values):
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
    allocations: list[AllocationRow]
    total: int
    more: str | None = None


class NodeRow(Values):
    node: str
    cluster: str
    score: float
    excluded: bool
    summary: str


class NodesAnswer(Values):
    nodes: list[NodeRow]
    total: int
    more: str | None = None


class RuleRow(Values):
    name: str
    cause: str
    says: str
    pattern: str | None = None
    example: str | None = None
    remedy: str | None = None


class RulesAnswer(Values):
    rules: list[RuleRow]
    total: int
    more: str | None = None


def allocation_row(allocation: Allocation, status: AllocationStatus) -> AllocationRow:
    return AllocationRow(
        scheduler=name(allocation.scheduler_type),
        number=allocation.scheduler_id,
        status=name(allocation.status),
        state=status.state.value,
        cause=status.cause and status.cause.value,
        began=status.began and status.began.isoformat(),
        detail=sentence(status.detail) or None,
    )


def node_row(score: NodeScore, *, excludes: bool) -> NodeRow:
    return NodeRow(
        node=name(score.node),
        cluster=name(score.cluster),
        score=round(score.score, 2),
        excluded=score.is_bad and excludes,
        summary=sentence(node_phrase(score)),
    )


def rule_row(rule: Rule, *, in_full: bool) -> RuleRow:
    return RuleRow(
        name=name(rule.name),
        cause=cause_text(rule.cause),
        says=sentence(rule.says),
        pattern=rule.pattern if in_full else None,
        example=rule.example if in_full else None,
        remedy=rule.remedy.value if in_full and rule.remedy else None,
    )
