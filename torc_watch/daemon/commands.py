"""What a person asks of the daemon, one order for each workflow, and what becomes of it."""

from collections.abc import Collection
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from urllib.parse import urlsplit

LONGEST = 366 * 86_400.0  # seconds: of any interval, so that its end is a date


class Action(StrEnum):
    ADD = "add"
    SET = "set"
    PAUSE = "pause"
    RESUME = "resume"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchOptions:
    """What was asked for explicitly; None follows the configuration, also when that changes later.

    Times are seconds; ``recovery_hook`` is a command, split into words.
    """

    auto_recover: bool | None = None
    max_retries: int | None = None
    memory_multiplier: float | None = None
    runtime_multiplier: float | None = None
    retry_unknown: bool | None = None
    recovery_hook: tuple[str, ...] | None = None
    poll_interval: float | None = None
    output_dir: str | None = None

    def changed_by(self, newer: "WatchOptions") -> "WatchOptions":
        """These, but for what ``newer`` says."""
        said = {field.name: getattr(newer, field.name) for field in fields(newer)}
        return replace(self, **{name: value for name, value in said.items() if value is not None})

    def without(self, names: Collection[str]) -> "WatchOptions":
        """These, but for ``names``, which follow the configuration again."""
        return replace(self, **dict.fromkeys(names))


OPTION_NAMES = frozenset(field.name for field in fields(WatchOptions))


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """``server`` is the base URL of its API: workflow 42 of another server is another workflow.

    ``unset`` names choices that were made before.
    """

    verb: Action
    server: str
    workflow_id: int
    choices: WatchOptions = WatchOptions()
    unset: tuple[str, ...] = ()


def problem_of(order: Command) -> str | None:
    """What no command line would have let through, whoever wrote it."""
    choices = order.choices
    bounds = [
        ("server", order.server, _is_url(order.server)),
        ("workflow_id", order.workflow_id, 0 < order.workflow_id < 2**63),
        ("max_retries", choices.max_retries, (choices.max_retries or 0) >= 0),
        *[
            (name, factor, factor is None or 1 < factor < float("inf"))
            for name, factor in (
                ("memory_multiplier", choices.memory_multiplier),
                ("runtime_multiplier", choices.runtime_multiplier),
            )
        ],
        (
            "poll_interval",
            choices.poll_interval,
            choices.poll_interval is None or 0 < choices.poll_interval <= LONGEST,
        ),
        ("recovery_hook", choices.recovery_hook, _may_be_run(choices.recovery_hook)),
        ("output_dir", choices.output_dir, "\0" not in (choices.output_dir or "")),
    ]
    wrong = [f"{name} {value!r}" for name, value, is_right in bounds if not is_right]
    wrong += [f"unset {name}" for name in order.unset if name not in OPTION_NAMES]
    return f"asks for what cannot be: {', '.join(wrong)}" if wrong else None


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and text.isprintable()


def _may_be_run(hook: tuple[str, ...] | None) -> bool:
    return hook is None or (bool(hook) and not any("\0" in word for word in hook))


class WatchState(StrEnum):
    WATCHED = "watched"
    PAUSED = "paused"
    ENDED = "ended"
    UNREADABLE = "unreadable"  # kept by another version of this program, and left as it is


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedWorkflow:
    """A workflow that the daemon knows. ``verdict`` and ``reason`` are of the watch that ended."""

    server: str
    workflow_id: int
    choices: WatchOptions
    condition: WatchState
    verdict: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class UnknownWorkflow:
    """The order was for a workflow that the daemon does not know."""

    order: Command


@dataclass(frozen=True, slots=True)
class Removed:
    pass


def follow(
    entry: WatchedWorkflow | None, order: Command
) -> WatchedWorkflow | Removed | UnknownWorkflow:
    """What becomes of the workflow: of ``entry``, or of one that nobody added yet.

    Following an order twice changes nothing more, so it may be given up only after it is kept.
    What cannot be read can be removed, or added as if it were not there.
    """
    is_to_go = order.verb is Action.REMOVE
    if entry is None or (entry.condition is WatchState.UNREADABLE and not is_to_go):
        if order.verb is not Action.ADD:
            return UnknownWorkflow(order)
        entry = WatchedWorkflow(
            server=order.server,
            workflow_id=order.workflow_id,
            choices=WatchOptions(),
            condition=WatchState.WATCHED,
        )
    choices = entry.choices.without(order.unset).changed_by(order.choices)
    match order.verb:
        case Action.REMOVE:
            return Removed()
        case Action.SET:
            return replace(entry, choices=choices)
        case Action.PAUSE:
            is_watched = entry.condition is WatchState.WATCHED
            return replace(entry, condition=WatchState.PAUSED) if is_watched else entry
        case Action.ADD | Action.RESUME:
            return replace(
                entry,
                choices=choices,
                condition=WatchState.WATCHED,
                verdict="",
                reason="",
            )


def remark_on(entry: WatchedWorkflow | None, verb: Action) -> str:
    """What a person may not expect who says this of a workflow that is as in ``entry``."""
    match verb, entry and entry.condition:
        case ((Action.ADD | Action.RESUME), WatchState.ENDED):
            return "its watch begins anew, with all its retries"
        case Action.ADD, WatchState.WATCHED:
            return "it was looked after already"
        case Action.SET, WatchState.PAUSED:
            return "it is paused"
        case Action.SET, WatchState.ENDED:
            return "its watch has ended, resume begins a new one"
        case Action.PAUSE, WatchState.ENDED:
            return "its watch has ended already"
        case _:
            return ""
