"""Servers of unsupported versions of Torc: too old, and newer."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.acceptance.conftest import Proxy, Site

pytestmark = pytest.mark.slow

UNHEARD_OF = {"of the future": [{"deeper": None}]}


def changing(proxy: "Proxy", change: Callable[[str, Any], Any]) -> None:
    """Let every JSON answer be what ``change`` makes of its path and body."""
    forward = proxy.answer

    def answer(request: Any) -> bytes:
        head, _, body = forward(request).partition(b"\r\n\r\n")
        try:
            changed = change(request.path, json.loads(body))
        except ValueError:
            return head + b"\r\n\r\n" + body
        return head + b"\r\n\r\n" + json.dumps(changed).encode()

    proxy.answer = answer


@pytest.mark.parametrize("version", ["0.11.3 (abc)", {"version": "0.11.3", "api_version": "0.11"}])
def test_server_that_is_too_old(
    failed: "Site", make_proxy: Callable[[str], "Proxy"], version: object
) -> None:
    proxy = make_proxy(failed.url)
    changing(proxy, lambda path, body: version if path.endswith("/version") else body)
    before = failed.database()

    for words in ("watch 1 --auto-recover", "plan 1", "recover 1", "workflows"):
        ended = failed.run(*words.split(), TORC_API_URL=proxy.url)
        assert ended.returncode == 5
        assert "runs Torc 0.11, which is too old: 0.12 or newer is needed" in ended.stderr
    assert failed.database() == before


def test_server_that_is_newer_than_supported(
    failed: "Site", make_proxy: Callable[[str], "Proxy"]
) -> None:
    def change(path: str, body: Any) -> Any:
        if path.endswith("/version"):
            return {"version": "9.9.0", "api_version": "7", **UNHEARD_OF}
        return body | UNHEARD_OF if isinstance(body, dict) else body

    proxy = make_proxy(failed.url)
    changing(proxy, change)
    watch = failed.run(
        "watch", "1", "--auto-recover", "--poll-interval", "1", TORC_API_URL=proxy.url
    )

    assert watch.returncode == 0, watch.stderr
    assert "completed successfully" in watch.stdout
    assert watch.stdout.startswith("The server runs Torc 9.9; ")
