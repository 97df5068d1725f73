"""The workflow that an ID without a server refers to."""

import pytest

from torc_watch.core.errors import InvalidInput
from torc_watch.core.workflow_key import WorkflowKey, resolve_key

A42, B42, B43 = (
    WorkflowKey("http://a", 42),
    WorkflowKey("http://b", 42),
    WorkflowKey("http://b", 43),
)
KNOWN = [A42, B42, B43]


@pytest.mark.parametrize(
    ("workflow_id", "server", "key"),
    [
        (43, None, B43),
        (42, "http://a", A42),
        (42, "http://b", B42),
    ],
)
def test_id_of_one_workflow(workflow_id: int, server: str | None, key: WorkflowKey) -> None:
    assert resolve_key(workflow_id, server, KNOWN) == key


@pytest.mark.parametrize(
    ("workflow_id", "server", "message"),
    [
        (
            42,
            None,
            "Several servers have a workflow 42: http://a and http://b. Choose one with --url",
        ),
        (44, None, "Workflow 44 is not watched. Add it with: torc-watchd add 44"),
        (
            43,
            "http://a",
            "on http://a is not watched. Add it with: torc-watchd add 43 --url http://a",
        ),
    ],
)
def test_id_of_several_or_unknown_workflows(
    workflow_id: int, server: str | None, message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        resolve_key(workflow_id, server, KNOWN)
