"""Which proxy of the environment a URL's requests go through."""

from collections.abc import Mapping

import pytest

from torc_watch.torc.proxies import proxy_for, proxy_variables

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
