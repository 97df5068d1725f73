"""A server asked as any client of Torc might ask it."""

import json
import urllib.request
from typing import Any

_SECONDS = 100  # for an answer, on a machine with a lot else to do


def ask(method: str, url: str, body: object = None) -> Any:
    """The JSON of the answer. Raises HTTPError."""
    content = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, content, headers, method=method)  # noqa: S310 - our own server
    with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310
        return json.loads(answer.read() or "null")
