"""What a person asks of the daemon, one order for each workflow."""

from dataclasses import dataclass, fields, replace
from enum import StrEnum


class Verb(StrEnum):
    ADD = "add"
    SET = "set"
    PAUSE = "pause"
    RESUME = "resume"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
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

    def changed_by(self, newer: "Choices") -> "Choices":
        """These, but for what ``newer`` says."""
        said = {field.name: getattr(newer, field.name) for field in fields(newer)}
        return replace(self, **{name: value for name, value in said.items() if value is not None})


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """``server`` is the base URL of its API: workflow 42 of another server is another workflow."""

    verb: Verb
    server: str
    workflow_id: int
    choices: Choices = Choices()
