"""Events that are kept, and that clients can list."""

import json
from collections.abc import Mapping
from typing import Any

from torc_watch.sandbox.server.calls import Call, now_ms


def record_event(call: Call, workflow_id: int, data: Mapping[str, Any]) -> None:
    call.store.insert(
        "event", {"workflow_id": workflow_id, "timestamp": now_ms(), "data": json.dumps(data)}
    )


def record_user_action(call: Call, workflow_id: int, action: str, data: Mapping[str, Any]) -> None:
    """Who did what by hand, or by a tool of theirs."""
    event = {"category": "user_action", "action": action, "user": call.user, **data}
    record_event(call, workflow_id, event)
