"""What went wrong between here and the server, as errors of the core and in words.

Every function is pure: from a refusal of httpx, or from an answer, to the error to be raised. Texts
of the server are shortened to their first line and stripped of control characters, so that they
can be shown on a terminal.
"""

import json
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import httpx

from torc_watch.core.errors import (
    AccessDenied,
    Conflict,
    NotFound,
    RequestRejected,
    ServerError,
    ServerFault,
    ServerUnreachable,
)

_QUOTE_LENGTH = 200
_DENIED = {
    401: "Check your user name (USER) and password (TORC_PASSWORD or TORC_PASSWORD_FILE).",
    403: "Ask the workflow's owner for access.",
}
_TRY_AGAIN = "Check that the server runs and that the URL is right."


def find_tls_error(error: BaseException) -> ssl.SSLError | None:
    """The TLS error behind ``error``, if that is what prevented the connection."""
    return next((cause for cause in _causes(error) if isinstance(cause, ssl.SSLError)), None)


def from_request_error(error: Exception, url: str, timeout: float) -> ServerError:
    """The error to raise for a request to ``url`` that got no whole answer in ``timeout`` s."""
    if isinstance(error, httpx.DecodingError):
        return ServerFault(f"{url} sent an answer that cannot be decompressed: {quote(str(error))}")
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return ServerUnreachable(f"No answer from {url} within {timeout:g} s. {_TRY_AGAIN}")
    tls = find_tls_error(error)
    if tls is not None:
        return ServerUnreachable(f"No secure connection to {url}: {_tls_reason(tls)}")
    return ServerUnreachable(f"No answer from {url}: {_network_reason(error)}. {_TRY_AGAIN}")


def from_response(response: httpx.Response) -> ServerError:
    """The error to raise for an answer whose status is not a success."""
    status = response.status_code
    what = _what(response)
    words = _server_words(response)
    said = f"({status})" if words is None else f"({status}): {words}"
    if status in (401, 403):
        return AccessDenied(f"The server denies access to {what} {said}. {_DENIED[status]}")
    if status == 404 and _is_json_object(response):
        return NotFound(f"Not found: {what} {said}. It may have been deleted.")
    if status == 409 or (status == 422 and _is_json_object(response)):
        return Conflict(f"The server refused {what} {said}. Look at its present state first.")
    if 300 <= status < 400:
        target = quote(response.headers.get("location", "nowhere"))
        return ServerFault(f"{what} is redirected to {target} ({status}). Use that server's URL.")
    if status < 500:
        # A 404 of a proxy, or for a path that this server does not have, says nothing about
        # the thing that was asked for: it must not look as if a workflow had been deleted. A 422
        # in plain text is Torc 1.0's word for a body that it cannot read.
        return RequestRejected(
            f"The server does not accept {what} {said}. Check that the URL is a Torc server's."
        )
    return ServerFault(f"The server failed at {what} {said}. Its own log may say why.")


def not_json(response: httpx.Response) -> ServerFault:
    """The error to raise for a successful answer that is not the promised JSON."""
    kind = "an HTML page" if _is_html(response) else f"{quote(response.text)!r}"
    return ServerFault(
        f"{_what(response)} was answered with {kind} instead of JSON. Check that the URL is "
        "a Torc server's."
    )


def quote(text: str) -> str:
    """The first line of ``text`` that is not blank, printable and short."""
    line = next((line for line in text.splitlines() if line.strip()), "").strip()
    printable = "".join(letter if letter.isprintable() else "?" for letter in line)
    return printable if len(printable) <= _QUOTE_LENGTH else printable[:_QUOTE_LENGTH] + "…"


def _what(response: httpx.Response) -> str:
    return f"{response.request.method} {response.request.url.copy_with(query=None)}"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for member in error.exceptions:
                yield from _causes(member)
        error = error.__cause__ or error.__context__


def _tls_reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"{quote(error.verify_message)}. Set ca_file to the certificate of the authority "
            "that signed the server's, or have the certificate renewed."
        )
    if "WRONG_VERSION_NUMBER" in str(error) or "RECORD_LAYER_FAILURE" in str(error):
        return "the server does not speak TLS there. Use http:// in the URL."
    return f"{quote(str(error))}. Check the server's TLS settings."


def _network_reason(error: Exception) -> str:
    for cause in _causes(error):
        if isinstance(cause, ConnectionRefusedError):
            return "connection refused"
        if isinstance(cause, socket.gaierror):
            return f"the host's name cannot be resolved ({quote(cause.strerror or str(cause))})"
    return quote(str(error)) or type(error).__name__


def _server_words(response: httpx.Response) -> str | None:
    if _is_html(response):
        return "an HTML page"
    try:
        body = json.loads(response.content)
    except (ValueError, RecursionError):
        return quote(response.text) or None
    return quote(_message_of(body)) or None


def _message_of(body: Any) -> str:
    match body:
        case {"error": {"message": str(text)}}:
            return text
        case {"errorMessage": str(text)} | {"error": str(text)} | {"message": str(text)}:
            return text
        case str(text):
            return text
        case _:
            return json.dumps(body)


def _is_json_object(response: httpx.Response) -> bool:
    try:
        return isinstance(json.loads(response.content), dict)
    except (ValueError, RecursionError):
        return False


def _is_html(response: httpx.Response) -> bool:
    return response.text.lstrip()[:15].lower().startswith(("<!doctype html", "<html"))
