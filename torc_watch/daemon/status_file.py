"""status.json, by which readers on any login node see the daemon: quick to import."""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from torc_watch.core.errors import JournalError
from torc_watch.core.os_errors import describe_os_error
from torc_watch.core.waiting_plan import WaitingPlan
from torc_watch.core.workflow_key import WorkflowKey
from torc_watch.daemon.lease_rules import Holder
from torc_watch.daemon.workflow_view import AllocationsView, DaemonView, Phase, WorkflowView
from torc_watch.host.processes import Liveness, this_space

_SILENCE = timedelta(minutes=3)  # three times the longest interval between two writes
_ALLOCATION_FIELDS = {field.name for field in fields(AllocationsView)}
_PROPOSAL_FIELDS = {field.name for field in fields(WaitingPlan)}
_VIEW_FIELDS = {field.name for field in fields(WorkflowView)}


def write_status(path: Path, view: DaemonView) -> float:
    """Replaces the file as a whole; the CPU seconds that it took. Raises OSError."""
    began = time.thread_time()
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(asdict(view)), encoding="utf-8")
    draft.replace(path)
    return time.thread_time() - began


def read_status(home: Path) -> DaemonView | None:
    """None before the first daemon wrote it. Raises JournalError."""
    path = home / "status.json"
    try:
        values = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise JournalError(f"{path} cannot be read: {describe_os_error(error)}") from error
    except (ValueError, RecursionError) as error:
        raise JournalError(
            f"{path} is damaged. A daemon that runs writes it anew within a minute; else delete it."
        ) from error
    try:
        return DaemonView(
            holder=Holder(**values["holder"]),
            at=values["at"],
            workflows=tuple(map(view_from, values["workflows"])),
        )
    except (ValueError, TypeError, KeyError) as error:
        raise JournalError(
            f"{path} cannot be parsed. Another version of torc-watch wrote it: use the same "
            "version on all login nodes."
        ) from error


def view_from(values: Mapping[str, Any]) -> WorkflowView:
    """Ignores the fields that a newer daemon added."""
    known = {name: value for name, value in values.items() if name in _VIEW_FIELDS}
    special = {
        "phase": Phase(known["phase"]),
        "allocations": _allocations_from(known.get("allocations")),
        "proposal": _proposal_from(known.get("proposal")),
    }
    return WorkflowView(**known | special)


def _allocations_from(values: Mapping[str, Any] | None) -> AllocationsView | None:
    if values is None:
        return None
    known = {name: value for name, value in values.items() if name in _ALLOCATION_FIELDS}
    return AllocationsView(**known | {"details": tuple(known["details"])})


def _proposal_from(values: Mapping[str, Any] | None) -> WaitingPlan | None:
    if values is None:
        return None
    return WaitingPlan(**{name: values[name] for name in values if name in _PROPOSAL_FIELDS})


def find_view(daemon: DaemonView | None, key: WorkflowKey) -> WorkflowView | None:
    views = daemon.workflows if daemon else ()
    return next((view for view in views if view.key == key), None)


def is_active(view: DaemonView | None, now: datetime) -> bool:
    """Whether a daemon wrote this in the last minutes, and has not ended since."""
    return (
        view is not None
        and abs(now - datetime.fromisoformat(view.at)) <= _SILENCE
        and holder_liveness(view) is not Liveness.GONE
    )


def holder_liveness(view: DaemonView) -> Liveness:
    return view.holder.liveness(seen_from=this_space())


def utc_now() -> datetime:
    return datetime.now(UTC)
