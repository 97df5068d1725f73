"""Which proxy of the environment a URL's requests go through, and what is said when it fails."""

from collections.abc import Callable, Mapping

import httpx
import pytest

from torc_watch.core.errors import ServerError, ServerFault, ServerUnreachable
from torc_watch.torc.proxies import proxy_for, proxy_variables
from torc_watch.torc.transport import Connection, Transport

SENTINEL = "hunter2"
HTTP = "http://node1:8080/torc-service/v1"
HTTPS = "https://torc.example.org/torc-service/v1"


@pytest.mark.parametrize(
    ("url", "environment", "variable"),
    [
        (HTTP, {}, None),
        (HTTP, {"http_proxy": "p:1"}, "http_proxy"),
        (HTTP, {"HTTP_PROXY": "p:1"}, "HTTP_PROXY"),
        (HTTP, {"HTTP_PROXY": "p:1", "http_proxy": "q:1"}, "http_proxy"),
        (HTTP, {"HTTP_PROXY": "p:1", "http_proxy": ""}, None),
        (HTTP, {"HTTP_PROXY": "p:1", "REQUEST_METHOD": "GET"}, None),
        (HTTP, {"https_proxy": "p:1"}, None),
        (HTTP, {"ALL_PROXY": "p:1"}, "ALL_PROXY"),
        (HTTPS, {"http_proxy": "p:1", "all_proxy": "q:1"}, "all_proxy"),
        (HTTPS, {"HTTPS_PROXY": "p:1", "all_proxy": "q:1"}, "HTTPS_PROXY"),
        (HTTPS, {"https_proxy": "p:1", "no_proxy": "example.org"}, None),
        (HTTPS, {"https_proxy": "p:1", "NO_PROXY": ".example.org, node1"}, None),
        (HTTPS, {"https_proxy": "p:1", "no_proxy": "ample.org"}, "https_proxy"),
        (HTTP, {"http_proxy": "p:1", "no_proxy": "node1:8080"}, None),
        (HTTP, {"http_proxy": "p:1", "no_proxy": "node1:80"}, "http_proxy"),
        (HTTP, {"http_proxy": "p:1", "no_proxy": "*"}, None),
        ("http://localhost:8080", {"http_proxy": "p:1"}, None),
        ("http://127.0.0.1:8080", {"all_proxy": "p:1"}, None),
        ("http://[::1]:8080", {"all_proxy": "p:1"}, None),
    ],
)
def test_proxy_of_a_url(url: str, environment: Mapping[str, str], variable: str | None) -> None:
    proxy = proxy_for(url, environment)
    assert (proxy and proxy.variable) == variable


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("http://p:3128", "http://p:3128"),
        ("p:3128", "http://p:3128"),
        (f"http://ada:{SENTINEL}@p:3128/", "http://p:3128"),
        (f"ada:{SENTINEL}@p", "http://p"),
        ("socks5://p:1080", "socks5://p:1080"),
        ("http://p\x1b[2J", "its address"),
    ],
)
def test_proxy_is_shown_without_its_password(value: str, address: str) -> None:
    proxy = proxy_for(HTTP, {"all_proxy": value})
    assert proxy is not None
    assert proxy.address == address
    assert str(proxy) == f"the proxy {address} (variable all_proxy)"
    assert SENTINEL not in repr(proxy)


def test_variables_that_are_set() -> None:
    set_here = {"http_proxy": "p", "HTTP_PROXY": "q", "NO_PROXY": "x", "ALL_PROXY": "", "HOME": "/"}
    assert proxy_variables(set_here) == ["http_proxy", "NO_PROXY"]


PAGE = "<html><body>Squid</body></html>"
FAILURES: dict[str, Exception | httpx.Response] = {
    "refuses": httpx.ConnectError("All connection attempts failed"),
    "is silent": httpx.ConnectTimeout("timed out"),
    "refuses the tunnel": httpx.ProxyError("403 Forbidden"),
    "wants a password": httpx.Response(407, text="Proxy Authentication Required"),
    "has no way": httpx.Response(502, text=PAGE),
    "does not know the host": httpx.Response(503, text="Service Unavailable"),
    "waits too long": httpx.Response(504),
    "forbids it": httpx.Response(403, text=PAGE),
    "has an error": httpx.Response(500, text=PAGE),
}
EACH = pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)


def answer_with(failure: Exception | httpx.Response) -> Callable[..., httpx.Response]:
    def answer(_: httpx.Request) -> httpx.Response:
        if isinstance(failure, Exception):
            raise failure
        return httpx.Response(failure.status_code, content=failure.content)

    return answer


async def failure_of(failure: Exception | httpx.Response) -> ServerError:
    http = httpx.MockTransport(answer_with(failure))
    async with Transport(Connection(url="http://node1:8080"), http=http, attempts=1) as transport:
        with pytest.raises(ServerError) as raised:
            await transport.get("/version")
    return raised.value


@EACH
async def test_failure_of_a_proxy_names_it_and_its_variable(
    monkeypatch: pytest.MonkeyPatch, failure: Exception | httpx.Response
) -> None:
    """It is no word of the server, so that a watch waits for better times."""
    monkeypatch.setenv("http_proxy", f"http://ada:{SENTINEL}@proxy:9")
    error = await failure_of(failure)
    assert type(error) is ServerUnreachable
    assert "through the proxy http://proxy:9 (variable http_proxy)" in str(error)
    assert "no_proxy" in str(error)
    assert "the URL is" not in str(error)
    assert SENTINEL not in str(error)


async def test_trouble_behind_a_proxy_names_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://proxy:9")
    error = await failure_of(httpx.ReadTimeout("silence"))
    assert "http://node1:8080" in str(error)
    assert "through the proxy http://proxy:9 (variable ALL_PROXY)" in str(error)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (httpx.Response(404, json={"error": {"message": "gone"}}), "NotFound"),
        (httpx.Response(500, json={"error": {"message": "database is locked"}}), "ServerFault"),
        (httpx.Response(401, text="Unauthorized"), "AccessDenied"),
    ],
)
async def test_answer_of_the_server_through_a_proxy_is_the_servers(
    monkeypatch: pytest.MonkeyPatch, answer: httpx.Response, kind: str
) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy:9")
    error = await failure_of(answer)
    assert type(error).__name__ == kind
    assert "proxy" not in str(error)


async def test_gateway_in_front_of_the_server_is_no_proxy_of_ours() -> None:
    error = await failure_of(httpx.Response(502, text=PAGE))
    assert type(error) is ServerFault
    assert "proxy" not in str(error)


async def test_proxy_that_is_not_ours_may_ask_for_a_password() -> None:
    error = await failure_of(httpx.Response(407))
    assert type(error) is ServerUnreachable
    assert "through a proxy" in str(error)
