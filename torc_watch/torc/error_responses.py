"""Turns failed requests into errors of ``core.errors`` with a message and advice.

Pure functions from an httpx exception or response to the error to raise. Texts from the server are
reduced to their first line without control characters, so that they are safe on a terminal.
"""

import json
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import httpx

from torc_watch.core.errors import (
    AccessDenied,
    AnswerTooLarge,
    Conflict,
    NotFound,
    RequestRejected,
    ServerError,
    ServerFault,
    ServerUnreachable,
)
from torc_watch.core.units import KIB, MIB
from torc_watch.torc.proxies import Proxy

TOO_MANY_REQUESTS = 429
PROXY_LOGIN = 407
GATEWAY_STATUSES = (502, 503, 504)  # of a proxy that could not reach Torc
_AT_THE_PROXY = (httpx.ProxyError, httpx.ConnectError, httpx.ConnectTimeout)
_QUOTE_LENGTH = 200
_DENIED = {
    401: "Check your user name (USER) and password (TORC_PASSWORD or TORC_PASSWORD_FILE).",
    403: "Ask the workflow's owner for access.",
}
_CHECK_URL = "Check that the URL is that of a Torc server."
_CHECK_PROXY = (
    "Check that proxy, or reach the server without it: add the server's host to no_proxy, or unset "
    "the variable for torc-watchd."
)
_TRY_AGAIN = "Check that the server is running and that the URL is correct."


def find_tls_error(error: BaseException) -> ssl.SSLError | None:
    """The TLS error among the causes of ``error``, if any."""
    return next((cause for cause in _causes(error) if isinstance(cause, ssl.SSLError)), None)


def from_request_error(
    error: Exception, url: str, timeout: float, proxy: Proxy | None = None
) -> ServerError:
    """The error for a request to ``url`` without a complete answer within ``timeout`` seconds."""
    if proxy is not None and isinstance(error, _AT_THE_PROXY):
        return ServerUnreachable(f"{_at(proxy)}: {_proxy_reason(error, timeout)}. {_CHECK_PROXY}")
    through = f" through {proxy}" if proxy else ""
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return ServerUnreachable(
            f"No complete answer from {url}{through} within {timeout:g} s. {_TRY_AGAIN}"
        )
    tls = find_tls_error(error)
    if tls is not None:
        return ServerUnreachable(f"No secure connection to {url}{through}: {_tls_reason(tls)}")
    return ServerUnreachable(
        f"No answer from {url}{through}: {_network_reason(error)}. {_TRY_AGAIN}"
    )


def from_response(response: httpx.Response, proxy: Proxy | None = None) -> ServerError:
    """The error for a response, perhaps through ``proxy``, whose status is not a success."""
    status = response.status_code
    what = _what(response)
    text = _server_text(response)
    detail = f"({status})" if text is None else f"({status}): {text}"
    if status == PROXY_LOGIN or (proxy is not None and _is_of_a_proxy(response)):
        return ServerUnreachable(
            f"{_at(proxy)}: it answered {what} itself {detail}. {_CHECK_PROXY}"
        )
    return _refusal(response, what, detail)


def _refusal(response: httpx.Response, what: str, detail: str) -> ServerError:
    """The error for a status other than a success that the server itself answered with."""
    status = response.status_code
    if status in (401, 403):
        return AccessDenied(f"The server denies access to {what} {detail}. {_DENIED[status]}")
    if status == 404 and _is_json_object(response):
        return NotFound(f"Not found: {what} {detail}. It may have been deleted.")
    if status == 409 or (status == 422 and _is_json_object(response)):
        return Conflict(f"The server refused {what} {detail}. Check the current state first.")
    if 300 <= status < 400:
        target = excerpt(response.headers.get("location", "nowhere"))
        return ServerFault(f"{what} is redirected to {target} ({status}). Use that server's URL.")
    if status >= 500:
        return ServerFault(f"The server failed at {what} {detail}. Its log may say why.")
    return _not_accepted(response, what, detail)


def _at(proxy: Proxy | None) -> str:
    return f"No answer from the server through {proxy or 'a proxy'}"


def _is_of_a_proxy(response: httpx.Response) -> bool:
    """Whether Torc does not answer like this: an HTML page, or a gateway's status."""
    is_gateways = response.status_code in GATEWAY_STATUSES
    return _is_html(response) or (is_gateways and not _is_json_object(response))


def _proxy_reason(error: Exception, timeout: float) -> str:
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return f"the proxy did not answer within {timeout:g} s"
    return _network_reason(error)


def _not_accepted(response: httpx.Response, what: str, detail: str) -> ServerError:
    """A 404 from a proxy, or for an unknown path, must not look as if the workflow was deleted.

    Torc answers with no HTML: that is a proxy's whose server is away, perhaps for a moment. Torc
    1.0 answers 422 in plain text to a body that it cannot read.
    """
    if response.status_code == TOO_MANY_REQUESTS:
        return ServerUnreachable(f"The server takes no more requests now: {what} {detail}.")
    reason = f"The server does not accept {what} {detail}. {_CHECK_URL}"
    return ServerUnreachable(reason) if _is_html(response) else RequestRejected(reason)


def too_large(response: httpx.Response, most: int) -> AnswerTooLarge:
    """The error for an answer, or an event, of more than ``most`` bytes."""
    thing = (
        "an event" if "event-stream" in response.headers.get("content-type", "") else "an answer"
    )
    limit = f"{most // MIB} MiB" if most >= MIB else f"{most // KIB} KiB"
    return AnswerTooLarge(
        f"{_what(response)} was answered with {thing} of more than {limit}, which is the limit. "
        f"{_CHECK_URL}"
    )


def compressed(response: httpx.Response) -> ServerFault:
    """The error for a compressed answer, which nobody asked for."""
    encoding = excerpt(response.headers["content-encoding"])
    return ServerFault(
        f"{_what(response)} was answered in the encoding {encoding!r}, which was not asked for. "
        f"{_CHECK_URL}"
    )


def not_json(response: httpx.Response) -> ServerFault:
    """The error for a successful response that is not JSON."""
    kind = "an HTML page" if _is_html(response) else f"{excerpt(response.text)!r}"
    return ServerFault(f"{_what(response)} was answered with {kind} instead of JSON. {_CHECK_URL}")


def excerpt(text: str) -> str:
    """The first non-blank line of ``text``, printable and at most 200 characters long."""
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
            f"{excerpt(error.verify_message)}. Set ca_file to the certificate of the authority "
            "that signed the server's certificate, or have that renewed."
        )
    if "WRONG_VERSION_NUMBER" in str(error) or "RECORD_LAYER_FAILURE" in str(error):
        return "the server does not speak TLS there. Use http:// in the URL."
    return f"{excerpt(str(error))}. Check the server's TLS settings."


def _network_reason(error: Exception) -> str:
    for cause in _causes(error):
        if isinstance(cause, ConnectionRefusedError):
            return "connection refused"
        if isinstance(cause, socket.gaierror):
            return f"the host name cannot be resolved ({excerpt(cause.strerror or str(cause))})"
    return excerpt(str(error)) or type(error).__name__


def _server_text(response: httpx.Response) -> str | None:
    if _is_html(response):
        return "an HTML page"
    try:
        body = json.loads(response.content)
    except (ValueError, RecursionError):
        return excerpt(response.text) or None
    return excerpt(_message_of(body)) or None


def _message_of(body: Any) -> str:
    match body:
        case {"error": {"message": str(text)}}:
            return text
        case {"error": str(kind), "message": str(text)} if text != kind:
            return f"{kind}: {text}"
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
