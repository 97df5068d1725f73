"""Which workflow is meant by a bare id: 42 of one server and 42 of another are two."""

from collections.abc import Iterable

from torc_watch.core.errors import InvalidInput

WorkflowKey = tuple[str, int]  # the server's URL, the workflow's id


def key_of(workflow_id: int, server: str | None, known: Iterable[WorkflowKey]) -> WorkflowKey:
    """The one of ``known`` that is meant. Raises InvalidInput where there is none, or several."""
    keys = sorted(key for key in known if key[1] == workflow_id and server in (None, key[0]))
    if not keys:
        where, option = (f" on {server}", f" --url {server}") if server else ("", "")
        raise InvalidInput(
            f"Workflow {workflow_id}{where} is not looked after. "
            f"Add it with: torc-watchd add {workflow_id}{option}"
        )
    if len(keys) > 1:
        servers = " and on ".join(key[0] for key in keys)
        raise InvalidInput(
            f"Workflow {workflow_id} is looked after on {servers}. Say which is meant with --url."
        )
    return keys[0]
