"""Why jobs of a kind request what they do: one sentence for all that are sized alike."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from torc_watch.core.kind_history import KindHistory, SizedResource
from torc_watch.core.sizing_policy import Lack, ScoutRun, Sizing, SizingRule
from torc_watch.core.units import duration_text, format_memory, rounded_memory

_Sized = tuple[Lack, Sizing]
_Group = tuple[SizingRule, int | None]  # the rule, and the request


def sizing_sentences(
    history: KindHistory,
    lacks: Iterable[Lack],
    sizes: Sequence[Sizing],
    scout_run: ScoutRun | None = None,
) -> Mapping[int, str]:
    """By the ID of the job. There is none for what a multiplier of the user gives.

    Names are as the server has them: what prints the sentences has to make them printable.
    """
    by_id = {lack.job_id: lack for lack in lacks}
    has_scout = any(each.rule is SizingRule.SCOUT for each in sizes)
    groups: defaultdict[_Group, list[_Sized]] = defaultdict(list)
    for each in sizes:
        groups[_group(each, has_scout=has_scout)].append((by_id[each.job_id], each))
    return {
        lack.job_id: sentence
        for (rule, _), group in groups.items()
        if (sentence := _sentence(history, rule, group, scout_run))
        for lack, _ in group
    }


def waiting_sentence(history: KindHistory, sizes: Sequence[Sizing]) -> str:
    """Of jobs that request more before they start; empty if there are none."""
    if not sizes:
        return ""
    most = _amount(history, max(each.request or 0 for each in sizes))
    if len(sizes) == 1:
        return f"{_failed(history)}; 1 that waits gets {most} before it starts."
    return f"{_failed(history)}; {len(sizes):,} that wait get {most} before they start."


def _group(sizing: Sizing, *, has_scout: bool) -> _Group:
    """A scout and those that wait for it are one."""
    if sizing.rule is SizingRule.SCOUT or (has_scout and sizing.rule is SizingRule.HELD):
        return SizingRule.SCOUT, None
    return sizing.rule, sizing.request


def _sentence(
    history: KindHistory, rule: SizingRule, group: Sequence[_Sized], scout_run: ScoutRun | None
) -> str:
    limit = _limit(history, [lack.limit for lack, _ in group])
    match rule:
        case SizingRule.SCOUT:
            return _scout_sentence(history, group, limit)
        case SizingRule.HELD:
            scout = scout_run.job_name if scout_run else "one of them"
            return f"{_failed(history)} at {limit}; {_wait(len(group))} for what {scout} needs."
        case SizingRule.PEERS:
            most = _measured(history, history.largest_use)
            return f"{history.name}: one that completed used {most}; {_gets(history, group)}."
        case SizingRule.LADDER:
            level = _measured(history, max(lack.level for lack, _ in group))
            lack = f"none is known to complete with more than {level}"
            return f"{history.name}: {lack}; {_gets(history, group)}."
        case SizingRule.AT_THE_CAP:
            cap = _amount(history, max(lack.cap or lack.level for lack, _ in group))
            return f"{history.name}: {cap} is all there is, and not enough: no retry can help."
        case SizingRule.MULTIPLIER:
            return ""


def _scout_sentence(history: KindHistory, group: Sequence[_Sized], limit: str) -> str:
    scout, sizing = next(each for each in group if each[1].rule is SizingRule.SCOUT)
    request = _amount(history, sizing.request or 0)
    if scout.round > 1:
        went = f"{scout.job_name} went first with {limit}, and failed"
        return f"{history.name}: {went}; it goes again with {request}."
    goes = f"{scout.job_name} goes first with {request}"
    others = len(group) - 1
    waits = ", the other waits" if others == 1 else ", the others wait"
    end = f"{waits} for what it needs" if others else ""
    return f"{_failed(history)} at {limit}; {goes}{end}."


def _limit(history: KindHistory, limits: Sequence[int]) -> str:
    most = _amount(history, max(limits))
    return f"up to {most}" if min(limits) < max(limits) else most


def _failed(history: KindHistory) -> str:
    return f"{history.name}: {len(history.lacking):,} of {len(history.bounds):,} failed"


def _wait(number: int) -> str:
    return "1 waits" if number == 1 else f"{number:,} wait"


def _gets(history: KindHistory, group: Sequence[_Sized]) -> str:
    lack, sizing = group[0]
    request = _amount(history, sizing.request or 0)
    return f"{len(group):,} get {request}" if len(group) > 1 else f"{lack.job_name} gets {request}"


def _amount(history: KindHistory, amount: int) -> str:
    is_memory = history.resource is SizedResource.MEMORY
    return format_memory(amount) if is_memory else duration_text(amount)


def _measured(history: KindHistory, amount: int) -> str:
    is_memory = history.resource is SizedResource.MEMORY
    return rounded_memory(amount) if is_memory else duration_text(amount)
