"""run --once, as cron calls it: it ends whatever the server does, and says what was not checked."""

import socket
from time import monotonic
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.acceptance.conftest import Site

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def test_single_pass_recovers_what_is_due(failed: "Site") -> None:
    failed.run("add", "1", "--auto-recover")

    ended = failed.run("run", "--once")

    assert ended.returncode == 0, ended.stderr
    assert "[1] Recovery initiated" in ended.stderr
    assert failed.run("list").stdout


@pytest.mark.parametrize("answers", ["refuses", "never answers"])
def test_single_pass_with_an_unreachable_server(failed: "Site", answers: str) -> None:
    failed.run("add", "1")
    assert failed.server is not None
    failed.server.kill()
    began = monotonic()
    with socket.socket() as silent:
        if answers == "never answers":
            silent.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            silent.bind(("127.0.0.1", int(failed.url.split(":")[2].split("/")[0])))
            silent.listen()
        ended = failed.run("run", "--once", TORC_TIMEOUT="0.5")

    assert ended.returncode == 5
    assert "Workflows that could not be checked: 1 of 1. Workflow 1 of http" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert monotonic() - began < 60
    assert "waiting" in failed.run("list").stdout
