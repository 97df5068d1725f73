"""What is said while a command waits for a server; time is virtual."""

from collections.abc import Awaitable, Callable

import anyio
import pytest

from torc_watch.cli.waiting_notice import WaitingNotice, announced
from torc_watch.torc.transport import Connection

pytestmark = pytest.mark.looptime

CONNECTION = Connection(url="http://node1:8080")


def wait_of(seconds: float) -> Callable[[], Awaitable[str]]:
    async def wait() -> str:
        await anyio.sleep(seconds)
        return "done"

    return wait


def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)


@pytest.mark.parametrize(
    ("seconds", "said"), [(1.9, ""), (2.1, "Waiting for http://node1:8080...\n")]
)
async def test_silence_of_two_seconds_is_explained_once(
    capsys: pytest.CaptureFixture[str], seconds: float, said: str
) -> None:
    assert await announced(CONNECTION, wait_of(seconds))() == "done"
    await anyio.sleep(100)
    assert capsys.readouterr() == ("", said)


async def test_long_wait_is_one_line_of_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    await announced(CONNECTION, wait_of(600))()
    assert capsys.readouterr().err.count("\n") == 1


async def test_terminal_shows_the_seconds_and_is_left_clean(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    on_a_terminal(monkeypatch)
    await announced(CONNECTION, wait_of(4.5))()
    await anyio.sleep(100)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.split("\r\033[K") == [
        "",
        *(f"Waiting for http://node1:8080 ({seconds} s)..." for seconds in (2, 3, 4)),
        "",
    ]


async def test_error_leaves_the_terminal_clean(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail() -> None:
        await anyio.sleep(3)
        raise RuntimeError

    on_a_terminal(monkeypatch)
    with pytest.raises(RuntimeError):
        await announced(CONNECTION, fail)()
    assert capsys.readouterr().err.endswith("...\r\033[K")


async def test_nothing_more_is_said_after_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    with WaitingNotice(CONNECTION) as notice:
        notice.end()
        await anyio.sleep(10)
    assert capsys.readouterr().err == ""
