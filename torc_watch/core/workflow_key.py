"""The keys of a workflow: its ID alone is ambiguous, since each server counts from 1."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, Self

from torc_watch.core.errors import InvalidInput
from torc_watch.core.model import Workflow


class WorkflowKey(NamedTuple):
    """``server`` is the base URL of the server's API."""

    server: str
    workflow_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowIdentity:
    """Identifies a workflow; ``created`` tells it from a later workflow with the same id."""

    server: str
    workflow_id: int
    created: str

    @classmethod
    def of(cls, workflow: Workflow, server: str) -> Self:
        return cls(server=server, workflow_id=workflow.id, created=workflow.created)


def resolve_key(workflow_id: int, server: str | None, known: Iterable[WorkflowKey]) -> WorkflowKey:
    """The one of ``known`` with this ID, on ``server`` if that is given.

    Raises InvalidInput if there is none, or more than one.
    """
    keys = sorted(
        key for key in known if key.workflow_id == workflow_id and server in (None, key.server)
    )
    if not keys:
        where, option = (f" on {server}", f" --url {server}") if server else ("", "")
        raise InvalidInput(
            f"Workflow {workflow_id}{where} is not watched. "
            f"Add it with: torc-watchd add {workflow_id}{option}"
        )
    if len(keys) > 1:
        servers = " and ".join(key.server for key in keys)
        raise InvalidInput(
            f"Several servers have a workflow {workflow_id}: {servers}. Choose one with --url."
        )
    return keys[0]
