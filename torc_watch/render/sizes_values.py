"""What kinds of jobs need, for scripts: docs/json.md has the keys."""

from collections.abc import Sequence
from typing import Any

from torc_watch.core.kind_sizes import KindSizes, MeasuredNeed, SuggestedRequirements


def sizes_values(
    workflow_id: int, kinds: Sequence[KindSizes], suggestions: Sequence[SuggestedRequirements]
) -> dict[str, Any]:
    return {
        "workflow_id": workflow_id,
        "kinds": [_kind_values(kind) for kind in kinds],
        "resource_requirements": [_suggestion_values(each) for each in suggestions],
    }


def _kind_values(kind: KindSizes) -> dict[str, Any]:
    return {
        "kind": kind.name,
        "resource_requirements": kind.key.requirements,
        "jobs": kind.jobs,
        "attempts": kind.attempts,
        "failed_attempts": kind.failed,
        "lacks_success": kind.lacks_success,
        "requested_memory": list(kind.requested_memory),
        "requested_runtime": list(kind.requested_runtime),
        "memory": _need_values(kind.memory),
        "runtime": _need_values(kind.runtime),
        "failed_node_hours": kind.failed_node_hours,
        "unused_node_hours": kind.unused_node_hours,
    }


def _need_values(need: MeasuredNeed) -> dict[str, Any]:
    return {"measured": need.measured, "p50": need.p50, "p95": need.p95, "max": need.largest}


def _suggestion_values(suggestion: SuggestedRequirements) -> dict[str, Any]:
    return {
        "name": suggestion.name,
        "memory": suggestion.memory,
        "runtime": suggestion.runtime,
        "is_least": suggestion.is_least,
    }
