"""Plain HTTP requests to a Torc server."""

import json
import urllib.request
from typing import Any

_TIMEOUT = 100  # seconds; generous, for busy machines


def send_request(method: str, url: str, body: object = None) -> Any:
    """Sends a request and returns the JSON of the answer. Raises HTTPError."""
    content = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, content, headers, method=method)  # noqa: S310 - a local server
    with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310
        return json.loads(answer.read() or "null")
