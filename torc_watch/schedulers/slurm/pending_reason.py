"""Why a job waits, as squeue says it: what passes by itself, and what to do about the rest.

Slurm accepts jobs that can never start, unless the site sets ``EnforcePartLimits``, and then says
no more about it than one word in squeue.
"""

import re
from dataclasses import dataclass
from enum import StrEnum


class PendingKind(StrEnum):
    WAITS = "waits"  # until it is its turn
    BLOCKED = "blocked"  # until administrators bring something back
    HELD = "held"  # until it is released
    STUCK = "stuck"  # never starts as it is


@dataclass(frozen=True, slots=True)
class _Rule:
    pattern: re.Pattern[str]  # of the whole reason, with blanks for underscores
    kind: PendingKind
    meaning: str
    advice: str


def _rule(kind: PendingKind, pattern: str, meaning: str, advice: str) -> _Rule:
    return _Rule(re.compile(pattern), kind, meaning, advice)


_ASK_FOR_LESS = "cancel it, and ask for less or elsewhere"
_ASK_ADMINISTRATORS = "ask the administrators of the cluster"
# The first that fits. What none of them fits, a word or a site's own sentence, waits.
_RULES = (
    _rule(
        PendingKind.STUCK,
        r"PartitionTimeLimit",
        "it asks for more time than its partition gives",
        "cancel it, and ask for less time or for another partition",
    ),
    _rule(
        PendingKind.STUCK,
        r"PartitionNodeLimit|PartitionConfig",
        "it asks for more nodes, CPUs or memory than its partition has",
        _ASK_FOR_LESS,
    ),
    _rule(
        PendingKind.STUCK,
        r"(QOS|Assoc)MaxWallDurationPerJobLimit|(QOS|Association)TimeLimit",
        "it asks for more time than its QOS or account gives a job",
        "cancel it, and ask for less time or for another QOS",
    ),
    _rule(
        PendingKind.STUCK,
        r"(QOS|Assoc)Max\w+Per(Job|Node)(Limit)?|MaxMemPerLimit",
        "it asks for more than its QOS or account gives a job",
        _ASK_FOR_LESS,
    ),
    _rule(
        PendingKind.STUCK,
        r"QOSMin\w+",
        "it asks for less than its QOS requires",
        "cancel it, and ask for more or for another QOS",
    ),
    _rule(
        PendingKind.STUCK,
        # Not the limits of what runs at the same time: AssocGrpCPURunMinutesLimit.
        r"(QOS|Assoc)Grp(?!\w*Run)(\w*Minutes(Limit)?|WallLimit|Billing)",
        "the budget of its account or QOS is used up",
        "ask for another account, or the administrators for more",
    ),
    _rule(
        PendingKind.STUCK,
        r"BadConstraints",
        "no node has what it asks for",
        "cancel it, and ask for less memory or for other features of nodes",
    ),
    _rule(
        PendingKind.STUCK,
        r"InvalidAccount|AccountNotAllowed|Job's account not permitted.*",
        "its account may not be used, or not in its partition",
        "cancel it, and give another account or partition",
    ),
    _rule(
        PendingKind.STUCK,
        r"InvalidQOS|QOSNotAllowed|Job's QOS not permitted.*",
        "its QOS may not be used, or not in its partition",
        "cancel it, and give another QOS or partition",
    ),
    _rule(
        PendingKind.STUCK,
        r"DependencyNeverSatisfied",
        "the job that it waits for did not end as it had to",
        "cancel it, and submit it again",
    ),
    _rule(
        PendingKind.STUCK,
        r"ReservationDeleted|Reservation was deleted.*|DeadLine",
        "its reservation or its deadline is over",
        "cancel it, and submit it again without",
    ),
    _rule(
        PendingKind.HELD,
        r"JobHeldUser",
        "its owner holds it",
        "release it with scontrol release, or cancel it",
    ),
    _rule(PendingKind.HELD, r"JobHeldAdmin", "an administrator holds it", _ASK_ADMINISTRATORS),
    _rule(
        PendingKind.HELD,
        r"(?i)launch failed requeued held|JobHoldMaxRequeue|job requeued in held state",
        "Slurm holds it, because it could not be started",
        "cancel it, or release it with scontrol release once its node is repaired",
    ),
    _rule(
        PendingKind.BLOCKED,
        r"PartitionDown|PartitionInactive",
        "its partition is closed",
        "wait until the administrators open it, or ask for another partition",
    ),
    _rule(
        PendingKind.BLOCKED,
        r".*Reserved for maintenance.*",
        "nodes are reserved for maintenance before it would end",
        "wait until that is over, or ask for less time",
    ),
    _rule(
        PendingKind.BLOCKED,
        r"NodeDown|FrontEndDown|ReqNodeNotAvail.*|Nodes required for job are DOWN.*",
        "nodes that it needs are down, drained or reserved",
        "wait until the administrators return them, or ask for other nodes",
    ),
)
_EVERYDAY = frozenset(
    {
        *("None", "Priority", "Resources", "BeginTime", "Dependency", "Licenses", "Reservation"),
        *("Prolog", "Cleaning", "SchedDefer", "JobArrayTaskLimit", ""),
    }
)


def pending_kind(reason: str) -> PendingKind:
    rule = _rule_for(reason)
    return rule.kind if rule else PendingKind.WAITS


def pending_detail(reason: str) -> str:
    """A phrase for people; empty where a job simply waits for its turn."""
    rule = _rule_for(reason)
    if rule is not None:
        return f"{_BEGINNINGS[rule.kind]} ({reason}): {rule.meaning}; {rule.advice}"
    return "" if reason in _EVERYDAY else f"waits, and Slurm's reason is: {reason}"


_BEGINNINGS = {
    PendingKind.BLOCKED: "cannot start now",
    PendingKind.HELD: "is held",
    PendingKind.STUCK: "will never start",
}


def _rule_for(reason: str) -> _Rule | None:
    """Some releases and commands print blanks as underscores."""
    text = reason.replace("_", " ")
    return next((rule for rule in _RULES if rule.pattern.fullmatch(text)), None)
