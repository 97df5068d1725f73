"""Connections: URLs, credentials and certificates."""

from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from torc_watch.core.errors import InvalidInput
from torc_watch.torc.transport import Connection, Transport, normalize_url

SENTINEL = "hunter2"


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("localhost:8080", "http://localhost:8080/torc-service/v1"),
        ("  localhost:8080\n", "http://localhost:8080/torc-service/v1"),
        ("http://node1:8080", "http://node1:8080/torc-service/v1"),
        ("http://node1:8080/", "http://node1:8080/torc-service/v1"),
        ("http://node1:8080/torc-service/v1", "http://node1:8080/torc-service/v1"),
        ("http://node1:8080/torc-service/v1/", "http://node1:8080/torc-service/v1"),
        ("HTTPS://Torc.Example.org", "https://torc.example.org/torc-service/v1"),
        ("https://example.org/torc/", "https://example.org/torc/torc-service/v1"),
        ("http://[::1]:8080", "http://[::1]:8080/torc-service/v1"),
        ("10.0.0.1:1", "http://10.0.0.1:1/torc-service/v1"),
        ("node1:8080/?", "http://node1:8080/torc-service/v1"),
        ("node1:8080#", "http://node1:8080/torc-service/v1"),
    ],
)
def test_url_is_normalized(written: str, url: str) -> None:
    assert Connection(url=written).url == url


@pytest.mark.parametrize(
    "written",
    [
        "",
        "http://",
        "ftp://node1:8080",
        "http://node1:eighty",
        "http://node1:99999999",
        "http://node1:8080/?workflow=1",
        "http://node1:8080/#top",
        "http:///torc-service/v1",
        "node 1:8080",
        "node1:8080\x00",
        "http://xn--:8080",
    ],
)
def test_invalid_urls_are_refused_with_an_example(written: str) -> None:
    with pytest.raises(InvalidInput, match="http://localhost:8080"):
        normalize_url(written)


@pytest.mark.parametrize(
    "written",
    [
        f"http://ada:{SENTINEL}@node1:8080",
        f"ada:{SENTINEL}@node1",
        f"http://ada:{SENTINEL}@node1:eighty",
        f"http://ada:{SENTINEL}/2@node1",  # the port is not a number
        f"http://ada:22/{SENTINEL}@node1",  # parsed as host ada, port 22 and a path
    ],
)
def test_password_in_the_url_is_refused_and_not_shown(written: str) -> None:
    with pytest.raises(InvalidInput, match="TORC_PASSWORD") as refusal:
        Connection(url=written)
    assert SENTINEL not in str(refusal.value)


@given(st.text(max_size=40) | st.from_regex(r"(https?://)?[a-z.]{1,9}(:[0-9]{1,5})?(/[a-z]*)*"))
def test_normalization_is_idempotent(written: str) -> None:
    try:
        url = normalize_url(written)
    except InvalidInput:
        return
    assert normalize_url(url) == url
    assert url.endswith("/torc-service/v1")


def test_password_is_not_in_the_repr() -> None:
    connection = Connection(url="localhost:8080", username="ada", password=SENTINEL)
    assert SENTINEL not in repr(connection)


def test_password_requires_a_user_name() -> None:
    with pytest.raises(InvalidInput, match="user name"):
        Connection(url="localhost:8080", password=SENTINEL)


@pytest.mark.parametrize(
    ("username", "password", "header"),
    [
        ("ada", "pass:w\u00f6rd", "Basic YWRhOnBhc3M6d8O2cmQ="),
        ("ada", "", "Basic YWRhOg=="),
        ("ada", None, None),
        (None, None, None),
    ],
)
async def test_credentials_are_sent_with_basic_authentication(
    username: str | None, password: str | None, header: str | None
) -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200)

    connection = Connection(url="localhost:8080", username=username, password=password)
    async with Transport(connection, http=httpx.MockTransport(answer)) as transport:
        await transport.get("/ping")
    assert seen[0].headers.get("authorization") == header


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_invalid_ca_file_is_refused(tmp_path: Path, content: str | None) -> None:
    ca_file = tmp_path / "ca.pem"
    if content is not None:
        ca_file.write_text(content)
    with pytest.raises(InvalidInput, match=r"ca\.pem"):
        Transport(Connection(url="https://node1", ca_file=ca_file))


@pytest.mark.parametrize(
    ("url", "goes_through_proxy"),
    [
        ("http://localhost:8080", False),
        ("http://127.0.0.1:8080", False),
        ("http://[::1]:8080", False),
        ("http://node1:8080", True),
    ],
)
async def test_proxies_are_not_used_for_localhost(
    monkeypatch: pytest.MonkeyPatch, url: str, *, goes_through_proxy: bool
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example.org:3128")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    async with Transport(Connection(url=url)) as transport:
        proxies = [mount for mount in transport._client._mounts.values() if mount is not None]
    assert bool(proxies) is goes_through_proxy


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1080", "no-scheme://x", "http://[::1"])
def test_proxy_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("all_proxy", proxy.replace("://", f"://ada:{SENTINEL}@"))
    with pytest.raises(InvalidInput, match="The proxy in all_proxy cannot be used") as refusal:
        Transport(Connection(url="http://elsewhere:8080"))
    assert SENTINEL not in str(refusal.value)
    Transport(Connection(url="http://localhost:8080"))  # reached without a proxy
