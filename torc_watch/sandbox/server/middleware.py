"""ASGI middleware: authentication, and the span id of every response."""

import base64
import hmac
import uuid
from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ANONYMOUS = "anonymous"


class BasicAuth:
    """If there are ``accounts`` (user to password), every request must authenticate.

    It also sets the X-Span-ID header of every response, as Torc does.
    """

    def __init__(self, app: ASGIApp, accounts: Mapping[str, str]) -> None:
        self._app = app
        self._accounts = accounts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_span_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Span-ID"] = str(uuid.uuid4())
            await send(message)

        user, password = parse_credentials(Headers(scope=scope).get("authorization"))
        if self._accounts and not self._is_valid(user, password):
            await _unauthorized()(scope, receive, send_with_span_id)
            return
        scope.setdefault("state", {})["user"] = user or ANONYMOUS
        await self._app(scope, receive, send_with_span_id)

    def _is_valid(self, user: str, password: str) -> bool:
        expected = self._accounts.get(user)
        return expected is not None and hmac.compare_digest(expected.encode(), password.encode())


def parse_credentials(header: str | None) -> tuple[str, str]:
    """User and password of a Basic Authorization header; empty strings if it has none."""
    scheme, _, encoded = (header or "").partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        decoded = base64.b64decode(encoded, validate=True).decode()
    except ValueError:  # not base64, or not UTF-8
        return "", ""
    user, _, password = decoded.partition(":")
    return user, password


def _unauthorized() -> PlainTextResponse:
    challenge = {"WWW-Authenticate": 'Basic realm="Torc"'}
    return PlainTextResponse("Unauthorized", status_code=401, headers=challenge)
