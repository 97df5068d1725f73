"""Sends requests to one Torc server and returns decoded JSON, or raises errors of ``core.errors``.

This is the only layer that repeats a request (`request_policy` has how often). A request that never
left is repeated. One that may have arrived is repeated if it is a read, or a change that may be
applied twice (``repeatable``). A 500 is Torc's own answer and final for a change; 502, 503 and 504
come from a proxy that could not reach Torc.
"""

import os
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import anyio
import httpx

from torc_watch.core.errors import InvalidInput, ServerError
from torc_watch.torc import error_responses
from torc_watch.torc.retry_policy import REQUEST_ATTEMPTS, request_policy

API_PATH = "/torc-service/v1"

_CONNECT_TIMEOUT = 10.0
_GATEWAY_STATUSES = (502, 503, 504)
_LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")
_HOST = re.compile(rb"[A-Za-z0-9._:-]+")  # a host name in ASCII, or an address
_EVENT_STREAM = {"Accept": "text/event-stream"}
# httpx's default limit makes the 101st connection wait, and every watch has a stream. For each
# request it compares all connections with each other: many kept ones cost more than they save.
_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=10)
_PROXY_VARIABLES = ("ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY")
_URL_EXAMPLE = "Write it as http://localhost:8080 or https://torc.example.org."

Method = Literal["GET", "POST", "PUT", "DELETE"]


def normalize_url(text: str) -> str:
    """The base URL of a server's API, without a trailing slash.

    Accepts ``localhost:8080``, ``http://host:8080/`` and the complete base URL. Raises InvalidInput
    for anything else; the message never contains a password from the URL.
    """
    url_text = text.strip()
    if "@" in url_text:  # first, so that no later message quotes a password
        raise InvalidInput(
            "The server's URL contains a user name or a password: set them separately, the "
            "password in TORC_PASSWORD or a file."
        )
    try:
        url = httpx.URL(url_text if "://" in url_text else f"http://{url_text}")
        _ = url.host  # decodes the host name, which may fail
    except (httpx.InvalidURL, UnicodeError) as error:
        raise InvalidInput(f"{url_text!r} is not a URL: {error}. {_URL_EXAMPLE}") from error
    is_host = _HOST.fullmatch(url.raw_host) and (url.port or 0) < 65_536
    if url.scheme not in ("http", "https") or not is_host or url.query or url.fragment:
        raise InvalidInput(f"{url_text!r} is not the URL of a server. {_URL_EXAMPLE}")
    path = url.path.rstrip("/")
    base = path if path.endswith(API_PATH) else path + API_PATH
    return str(url.copy_with(path=base, query=None, fragment=None))  # a lone "?" or "#"


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A server's URL and how to connect to it.

    ``url`` is normalized, ``timeout`` is in seconds per request. ``ca_file`` replaces the system's
    certificates. Basic authentication is used if there is a password.
    """

    url: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    verify_tls: bool = True
    timeout: float = 30.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", normalize_url(self.url))
        if self.password is not None and not self.username:
            raise InvalidInput("There is a password but no user name: set the user name as well.")


class Transport:
    """An async context manager; ``requests_sent`` counts every attempt.

    ``before_change`` is awaited before any request that could change something; what it raises
    keeps the request back. ``attempts`` is how often a request is sent that may be sent again.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        http: httpx.AsyncBaseTransport | None = None,
        before_change: Callable[[], Awaitable[None]] | None = None,
        attempts: int = REQUEST_ATTEMPTS,
    ) -> None:
        self.connection = connection
        self.requests_sent = 0
        self._before_change = before_change
        self._attempts = attempts
        tls = _tls_context(connection)
        self._client = _open_client(connection, tls, http)
        # Separate, because open streams count as kept connections.
        self._streams = _open_client(connection, tls, http)

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        await self._streams.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._streams.__aexit__(kind, error, trace)
        await self._client.__aexit__(kind, error, trace)

    async def get(self, path: str, **params: Any) -> Any:
        """Decoded JSON; parameters that are None are not sent."""
        return await self._call("GET", path, None, params, repeatable=True)

    async def post(
        self, path: str, *, body: Any = None, repeatable: bool = False, **params: Any
    ) -> Any:
        """Decoded JSON, or None for an empty answer."""
        return await self._call("POST", path, body, params, repeatable=repeatable)

    async def put(self, path: str, *, body: Any = None, repeatable: bool = True) -> Any:
        """Decoded JSON, or None for an empty answer."""
        return await self._call("PUT", path, body, {}, repeatable=repeatable)

    async def delete(self, path: str) -> Any:
        """Decoded JSON, or None for an empty answer."""
        return await self._call("DELETE", path, None, {}, repeatable=True)

    @asynccontextmanager
    async def stream(self, path: str) -> AsyncIterator[AsyncIterator[str]]:
        """The lines of an endless answer; no retries, and no timeout between lines."""
        response = await self._open_stream(path)
        try:
            yield response.aiter_lines()
        except httpx.RequestError as error:
            raise self._translated(error, path) from error
        finally:
            await response.aclose()

    async def _open_stream(self, path: str) -> httpx.Response:
        timeout = httpx.Timeout(self.connection.timeout, connect=_CONNECT_TIMEOUT, read=None)
        request = self._streams.build_request("GET", path, headers=_EVENT_STREAM, timeout=timeout)
        self.requests_sent += 1
        try:
            with anyio.fail_after(self.connection.timeout):
                response = await self._streams.send(request, stream=True)
                if not response.is_success:
                    await response.aread()
        except (httpx.RequestError, TimeoutError) as error:
            raise self._translated(error, path) from error
        if not response.is_success:
            raise error_responses.from_response(response)
        return response

    async def _call(
        self, method: Method, path: str, body: Any, params: dict[str, Any], *, repeatable: bool
    ) -> Any:
        request = self._client.build_request(method, path, params=_without_none(params), json=body)
        policy = request_policy(
            partial(_is_transient, is_read=method == "GET", repeatable=repeatable), self._attempts
        )
        try:
            return _decoded(await policy(self._send, request))
        except httpx.HTTPStatusError as error:
            raise error_responses.from_response(error.response) from error
        except (httpx.RequestError, TimeoutError) as error:
            raise self._translated(error, path) from error

    async def _send(self, request: httpx.Request) -> httpx.Response:
        """Raises TimeoutError and what httpx raises, also for a response that is not a success."""
        if self._before_change is not None and request.method != "GET":
            await self._before_change()
        self.requests_sent += 1
        with anyio.fail_after(self.connection.timeout):
            response = await self._client.send(request)
        return response.raise_for_status()

    def _translated(self, error: Exception, path: str) -> ServerError:
        url = self.connection.url + path
        return error_responses.from_request_error(error, url, self.connection.timeout)


def _open_client(
    connection: Connection, tls: ssl.SSLContext, http: httpx.AsyncBaseTransport | None
) -> httpx.AsyncClient:
    url = httpx.URL(connection.url)
    auth = None
    if connection.username and connection.password is not None:
        auth = httpx.BasicAuth(connection.username, connection.password)
    try:
        return httpx.AsyncClient(
            base_url=url,
            auth=auth,
            verify=tls,
            timeout=httpx.Timeout(connection.timeout, connect=_CONNECT_TIMEOUT),
            limits=_LIMITS,
            headers={"Accept": "application/json", "User-Agent": "torc-watch"},
            # Proxies from the environment are not for servers on this machine.
            trust_env=url.host not in _LOOPBACK_HOSTS,
            transport=http,
        )
    except (ImportError, ValueError, httpx.InvalidURL) as error:
        raise InvalidInput(
            f"The proxy in {' or '.join(_proxy_variables())} cannot be used: torc-watchd reaches "
            "servers through HTTP proxies only. Unset the variable for torc-watchd."
        ) from error


def _proxy_variables() -> list[str]:
    """Those that are set; their values may hold a password."""
    spellings = [name for each in _PROXY_VARIABLES for name in (each, each.lower())]
    return [name for name in spellings if os.environ.get(name)]


def _tls_context(connection: Connection) -> ssl.SSLContext:
    if not connection.url.startswith("https:"):
        # Without certificates: loading unused ones takes longer than a request.
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context = ssl.create_default_context(cafile=connection.ca_file)
    except OSError as error:  # also ssl.SSLError: a file without a certificate
        raise InvalidInput(
            f"The CA file {connection.ca_file} cannot be used: {error}. It must contain "
            "certificates in PEM format."
        ) from error
    if not connection.verify_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _without_none(params: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if value is not None}


def _is_transient(error: BaseException, *, is_read: bool, repeatable: bool) -> bool:
    """Whether the request may be sent again after ``error``."""
    if isinstance(error, httpx.HTTPStatusError):
        status = error.response.status_code
        if status == error_responses.TOO_MANY_REQUESTS:  # the server has not looked at it
            return True
        return repeatable and (status in _GATEWAY_STATUSES or (is_read and status >= 500))
    if error_responses.find_tls_error(error) is not None:
        return False
    never_sent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
    return never_sent or (repeatable and isinstance(error, httpx.TransportError | TimeoutError))


def _decoded(response: httpx.Response) -> Any:
    if not response.content:
        return None
    try:
        return response.json()
    except (ValueError, RecursionError) as error:
        raise error_responses.not_json(response) from error
