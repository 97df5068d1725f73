"""The commands that users give to the daemon, and what each of them does to a workflow."""

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from urllib.parse import urlsplit

from torc_watch.core.scheduler_choice import SchedulerChoice
from torc_watch.core.sizing_policy import SizingPolicy
from torc_watch.core.workflow_key import WorkflowKey

DEFAULT_POLL_INTERVAL = 60.0  # seconds
DEFAULT_OUTPUT_DIR = "output"
MAX_INTERVAL = 366 * 86_400.0  # seconds: of any interval, so that its end is a valid date


class Action(StrEnum):
    ADD = "add"
    SET = "set"
    PAUSE = "pause"
    RESUME = "resume"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchOptions:
    """The options that a user set for one watch.

    None follows the configuration, including later changes to it. Times, with ``walltime``, are
    seconds; ``recovery_hook`` is a command, split into words. The registry and the spool store
    these as JSON: the names do not change.
    """

    auto_recover: bool | None = None
    max_retries: int | None = None
    memory_multiplier: float | None = None
    runtime_multiplier: float | None = None
    policy: SizingPolicy | None = None
    cpu_multiplier: float | None = None
    in_place: bool | None = None
    retry_unknown: bool | None = None
    rerun_suspects: bool | None = None
    recovery_hook: tuple[str, ...] | None = None
    scheduler: SchedulerChoice | None = None
    auto_schedule: bool | None = None
    max_allocations: int | None = None
    max_node_hours: float | None = None
    approve: bool | None = None
    approve_above_node_hours: float | None = None
    approve_above_memory_factor: float | None = None
    approve_above_jobs: int | None = None
    partition: str | None = None
    walltime: int | None = None
    poll_interval: float | None = None
    output_dir: str | None = None

    def updated_with(self, newer: "WatchOptions") -> "WatchOptions":
        """These, with those of ``newer`` that are set."""
        values = {field.name: getattr(newer, field.name) for field in fields(newer)}
        return replace(self, **{name: value for name, value in values.items() if value is not None})

    def without(self, names: Collection[str]) -> "WatchOptions":
        """These, with ``names`` unset: they follow the configuration again."""
        return replace(self, **dict.fromkeys(names))


OPTION_NAMES = frozenset(field.name for field in fields(WatchOptions))


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What a user asks for one workflow. ``server`` is the base URL of the server's API.

    ``unset`` names options whose earlier value is removed.
    """

    action: Action
    server: str
    workflow_id: int
    options: WatchOptions = WatchOptions()
    unset: tuple[str, ...] = ()

    @property
    def key(self) -> WorkflowKey:
        return WorkflowKey(self.server, self.workflow_id)


def validation_error(command: Command) -> str:
    """Sentences that say which values are invalid, and their limits; empty for a valid command.

    Checks what no command line lets through, but a file in the spool may hold.
    """
    return " ".join(_violations(command))


def _violations(command: Command) -> Iterator[str]:
    if not _is_url(command.server):
        yield f"--url must be an http or https URL (got {command.server!r})."
    if not 0 < command.workflow_id < 2**63:
        yield f"A workflow ID must be between 1 and 2^63 - 1 (got {command.workflow_id})."
    for name, is_valid, limit, unit in _LIMITS:
        value = getattr(command.options, name)
        if value is not None and not is_valid(value):
            yield f"{_flag(name)} must {limit} (got {_shown(value)}{unit})."
    for name in command.unset:
        if name not in OPTION_NAMES:
            yield f"--unset must name an option (got {name!r})."


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _shown(value: object) -> str:
    return f"{value:.15g}" if isinstance(value, float) else repr(value)


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and text.isprintable()


def _is_multiplier(factor: float) -> bool:
    return 1 < factor < float("inf")


def _is_finite(hours: float) -> bool:
    return 0 < hours < float("inf")


def _is_limit(hours: float) -> bool:
    return 0 <= hours < float("inf")


def _is_factor(factor: float) -> bool:
    return 1 <= factor < float("inf")


def is_partition_name(text: str) -> bool:
    return re.fullmatch(r"[\w.+-]+", text, re.ASCII) is not None


def _is_executable(hook: tuple[str, ...]) -> bool:
    return bool(hook) and not any("\0" in word for word in hook)


_LIMITS: tuple[tuple[str, Callable[..., bool], str, str], ...] = (
    ("max_retries", lambda number: number >= 0, "be at least 0", ""),
    ("memory_multiplier", _is_multiplier, "be greater than 1 and finite", ""),
    ("runtime_multiplier", _is_multiplier, "be greater than 1 and finite", ""),
    ("cpu_multiplier", _is_multiplier, "be greater than 1 and finite", ""),
    ("poll_interval", lambda seconds: seconds > 0, "be greater than 0 s", " s"),
    ("poll_interval", lambda seconds: not seconds > MAX_INTERVAL, "be at most 366 days", " s"),
    ("max_allocations", lambda number: number > 0, "be at least 1", ""),
    ("max_node_hours", _is_finite, "be greater than 0 and finite", ""),
    ("approve_above_node_hours", _is_limit, "be at least 0 and finite", ""),
    ("approve_above_memory_factor", _is_factor, "be at least 1 and finite", ""),
    ("approve_above_jobs", lambda number: number >= 0, "be at least 0", ""),
    ("partition", is_partition_name, "be the name of one partition", ""),
    ("walltime", lambda seconds: seconds > 0, "be greater than 0 s", " s"),
    ("recovery_hook", _is_executable, "be a command without NUL characters", ""),
    ("output_dir", lambda path: "\0" not in path, "be a path without NUL characters", ""),
)


class WatchState(StrEnum):
    WATCHED = "watched"
    PAUSED = "paused"
    ENDED = "ended"
    UNREADABLE = "unreadable"  # stored by another version of this program, and left unchanged


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedWorkflow:
    """A workflow in the daemon's list. ``verdict`` and ``reason`` are those of an ended watch."""

    server: str
    workflow_id: int
    options: WatchOptions
    state: WatchState
    verdict: str = ""
    reason: str = ""

    @property
    def key(self) -> WorkflowKey:
        return WorkflowKey(self.server, self.workflow_id)


@dataclass(frozen=True, slots=True)
class UnknownWorkflow:
    """The command was for a workflow that is not in the daemon's list."""

    command: Command


@dataclass(frozen=True, slots=True)
class Removed:
    pass


def apply_command(
    workflow: WatchedWorkflow | None, command: Command
) -> WatchedWorkflow | Removed | UnknownWorkflow:
    """The workflow after the command; ``workflow`` is None if it is not in the list yet.

    Applying a command twice gives the same as applying it once, so the daemon may delete the
    command's file after it has stored the result. An unreadable workflow can be removed, or added
    as if it were not in the list.
    """
    removes = command.action is Action.REMOVE
    if workflow is None or (workflow.state is WatchState.UNREADABLE and not removes):
        if command.action is not Action.ADD:
            return UnknownWorkflow(command)
        workflow = WatchedWorkflow(
            server=command.server,
            workflow_id=command.workflow_id,
            options=WatchOptions(),
            state=WatchState.WATCHED,
        )
    options = workflow.options.without(command.unset).updated_with(command.options)
    match command.action:
        case Action.REMOVE:
            return Removed()
        case Action.SET:
            return replace(workflow, options=options)
        case Action.PAUSE:
            is_watched = workflow.state is WatchState.WATCHED
            return replace(workflow, state=WatchState.PAUSED) if is_watched else workflow
        case Action.ADD | Action.RESUME:
            return replace(
                workflow, options=options, state=WatchState.WATCHED, verdict="", reason=""
            )


_NEW_WATCH = "a new watch starts, with all its retries"
_NOTES = {
    (Action.ADD, WatchState.ENDED): _NEW_WATCH,
    (Action.RESUME, WatchState.ENDED): _NEW_WATCH,
    (Action.RESUME, WatchState.WATCHED): "if it waits to run jobs again, it does so now",
    (Action.ADD, WatchState.WATCHED): "it was already watched",
    (Action.SET, WatchState.PAUSED): "it is paused",
    (Action.SET, WatchState.ENDED): "its watch has ended; resume starts a new one",
    (Action.PAUSE, WatchState.ENDED): "its watch has already ended",
}


def note_for(workflow: WatchedWorkflow | None, action: Action) -> str:
    """What the user may not expect of this action on a workflow in this state; usually empty."""
    return _NOTES.get((action, workflow.state), "") if workflow else ""
