"""Sends requests to one Torc server and returns decoded JSON, or raises errors of ``core.errors``.

This is the only layer that repeats a request (`request_policy` has how often). A request that never
left is repeated. One that may have arrived is repeated if it is a read, or a change that may be
applied twice (``repeatable``). A 500 is Torc's own answer and final for a change; 502, 503 and 504
come from a proxy that could not reach Torc.
"""

import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
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
from torc_watch.torc.answer_limits import CONNECT_SECONDS, OBJECT_BYTES
from torc_watch.torc.answers import read_answer, read_lines
from torc_watch.torc.proxies import Proxy, proxy_for
from torc_watch.torc.retry_policy import REQUEST_ATTEMPTS, request_policy

API_PATH = "/torc-service/v1"

_HOST = re.compile(rb"[A-Za-z0-9._:-]+")  # a host name in ASCII, or an address
_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "User-Agent": "torc-watch",
}
_EVENT_STREAM = {"Accept": "text/event-stream"}
# httpx's default limit makes the 101st connection wait, and every watch has a stream. For each
# request it compares all connections with each other: many kept ones cost more than they save.
_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=10)
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


@dataclass(frozen=True, slots=True)
class Call:
    """One request. Its answer may have ``most`` bytes; ``patience`` is the least timeout for it."""

    method: Method
    path: str
    body: Any = None
    params: Mapping[str, Any] = field(default_factory=dict)
    repeatable: bool = False
    most: int = OBJECT_BYTES
    patience: float = 0.0


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
        self._proxy = proxy_for(connection.url)
        tls = _tls_context(connection)
        self._client = _open_client(connection, tls, self._proxy, http)
        # Separate, because open streams count as kept connections.
        self._streams = _open_client(connection, tls, self._proxy, http)

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

    async def get(self, path: str, *, most: int = OBJECT_BYTES, **params: Any) -> Any:
        """Decoded JSON of at most ``most`` bytes; parameters that are None are not sent."""
        return await self._call(Call("GET", path, params=params, repeatable=True, most=most))

    async def post(
        self,
        path: str,
        *,
        body: Any = None,
        repeatable: bool = False,
        most: int = OBJECT_BYTES,
        patience: float = 0.0,
        **params: Any,
    ) -> Any:
        """Decoded JSON, or None for an empty answer. ``patience`` replaces a shorter timeout."""
        return await self._call(
            Call("POST", path, body, params, repeatable=repeatable, most=most, patience=patience)
        )

    async def put(self, path: str, *, body: Any = None, repeatable: bool = True) -> Any:
        """Decoded JSON, or None for an empty answer."""
        return await self._call(Call("PUT", path, body, repeatable=repeatable))

    async def delete(self, path: str, *, patience: float = 0.0) -> Any:
        """Decoded JSON, or None for an empty answer. ``patience`` replaces a shorter timeout."""
        return await self._call(Call("DELETE", path, repeatable=True, patience=patience))

    @asynccontextmanager
    async def stream(self, path: str) -> AsyncIterator[AsyncIterator[str]]:
        """The lines of an endless answer; no retries, and no timeout between lines."""
        response = await self._open_stream(path)
        try:
            yield read_lines(response)
        except httpx.RequestError as error:
            raise self._translated(error, path, self.connection.timeout) from error
        finally:
            await response.aclose()

    async def _open_stream(self, path: str) -> httpx.Response:
        limit = self.connection.timeout
        timeout = httpx.Timeout(limit, connect=CONNECT_SECONDS, read=None)
        request = self._streams.build_request("GET", path, headers=_EVENT_STREAM, timeout=timeout)
        self.requests_sent += 1
        try:
            with anyio.fail_after(limit):
                response = await self._streams.send(request, stream=True)
                if response.is_success:
                    return response
                response = await read_answer(response, OBJECT_BYTES)
        except (httpx.RequestError, TimeoutError) as error:
            raise self._translated(error, path, limit) from error
        raise error_responses.from_response(response, self._proxy)

    async def _call(self, call: Call) -> Any:
        limit = max(self.connection.timeout, call.patience)
        request = self._client.build_request(
            call.method,
            call.path,
            params=_without_none(call.params),
            json=call.body,
            timeout=httpx.Timeout(limit, connect=CONNECT_SECONDS),
        )
        is_transient = partial(
            _is_transient, is_read=call.method == "GET", repeatable=call.repeatable
        )
        policy = request_policy(is_transient, self._attempts)
        try:
            return _decoded(await policy(self._send, request, limit, call.most))
        except httpx.HTTPStatusError as error:
            raise error_responses.from_response(error.response, self._proxy) from error
        except (httpx.RequestError, TimeoutError) as error:
            raise self._translated(error, call.path, limit) from error

    async def _send(self, request: httpx.Request, limit: float, most: int) -> httpx.Response:
        """Raises TimeoutError and what httpx raises, also for a response that is not a success.

        ``limit`` holds for the whole answer, however slowly it arrives.
        """
        if self._before_change is not None and request.method != "GET":
            await self._before_change()
        self.requests_sent += 1
        with anyio.fail_after(limit):
            response = await read_answer(await self._client.send(request, stream=True), most)
        return response.raise_for_status()

    def _translated(self, error: Exception, path: str, limit: float) -> ServerError:
        url = self.connection.url + path
        return error_responses.from_request_error(error, url, limit, self._proxy)


def _open_client(
    connection: Connection,
    tls: ssl.SSLContext,
    proxy: Proxy | None,
    http: httpx.AsyncBaseTransport | None,
) -> httpx.AsyncClient:
    auth = None
    if connection.username and connection.password is not None:
        auth = httpx.BasicAuth(connection.username, connection.password)
    try:
        return httpx.AsyncClient(
            base_url=connection.url,
            auth=auth,
            verify=tls,
            limits=_LIMITS,
            headers=_HEADERS,
            trust_env=False,  # `proxies` has looked at the environment
            proxy=proxy.url if proxy and http is None else None,
            transport=http,
        )
    except (ImportError, ValueError, httpx.InvalidURL) as error:
        raise InvalidInput(
            f"The proxy in {proxy and proxy.variable} cannot be used: torc-watchd reaches "
            "servers through HTTP proxies only. Unset the variable for torc-watchd, or add the "
            "server's host to no_proxy."
        ) from error


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


def _without_none(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if value is not None}


def _is_transient(error: BaseException, *, is_read: bool, repeatable: bool) -> bool:
    """Whether the request may be sent again after ``error``."""
    if isinstance(error, httpx.HTTPStatusError):
        status = error.response.status_code
        if status == error_responses.TOO_MANY_REQUESTS:  # the server has not looked at it
            return True
        return repeatable and (
            status in error_responses.GATEWAY_STATUSES or (is_read and status >= 500)
        )
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
