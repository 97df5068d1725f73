"""Which workflow a bare id means."""

import pytest

from torc_watch.core.errors import InvalidInput
from torc_watch.core.workflow_key import key_of

KNOWN = [("http://a", 42), ("http://b", 42), ("http://b", 43)]


@pytest.mark.parametrize(
    ("workflow_id", "server", "key"),
    [
        (43, None, ("http://b", 43)),
        (42, "http://a", ("http://a", 42)),
        (42, "http://b", ("http://b", 42)),
    ],
)
def test_one_is_meant(workflow_id: int, server: str | None, key: tuple[str, int]) -> None:
    assert key_of(workflow_id, server, KNOWN) == key


@pytest.mark.parametrize(
    ("workflow_id", "server", "message"),
    [
        (42, None, "looked after on http://a and on http://b. Say which is meant with --url"),
        (44, None, "Workflow 44 is not looked after. Add it with: torc-watchd add 44"),
        (
            43,
            "http://a",
            "on http://a is not looked after. Add it with: torc-watchd add 43 --url http://a",
        ),
    ],
)
def test_nobody_knows_which(workflow_id: int, server: str | None, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        key_of(workflow_id, server, KNOWN)
