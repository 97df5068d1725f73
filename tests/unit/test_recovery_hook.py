"""The user's own program before unknown failures are retried."""

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import psutil
import pytest

from torc_watch.core import events
from torc_watch.core.errors import HookFailed
from torc_watch.core.events import Verdict
from torc_watch.core.units import MIB
from torc_watch.engine.step_executor import run_hook

if TYPE_CHECKING:
    from tests.conftest import OpenSite

URL = f"http://test-{os.getpid()}/torc-service/v1"


async def output_of(script: str) -> list[str]:
    shown: list[str] = []
    await run_hook(("sh", "-c", script, "hook"), workflow_id=7, api_url=URL, show=shown.append)
    return shown


async def test_hook_gets_the_workflow_id() -> None:
    script = 'echo "$1 $TORC_WORKFLOW_ID"; echo "$TORC_API_URL"'
    assert await output_of(script) == ["7 7", URL]


async def test_environment_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SITE", "kestrel")
    assert await output_of("echo $SITE") == ["kestrel"]


@pytest.mark.parametrize(
    ("script", "lines"),
    [
        ("echo out; echo err >&2", ["out", "err"]),
        ("printf 'a\\n\\nb'", ["a", "", "b"]),
        ("printf '\\377\\303\\251'", ["\N{REPLACEMENT CHARACTER}é"]),
        ("cat", []),  # no terminal
        ("true", []),
    ],
)
async def test_output_is_shown_by_line(script: str, lines: list[str]) -> None:
    assert await output_of(script) == lines


async def test_much_output() -> None:
    assert await output_of("seq 1 100000") == [str(number) for number in range(1, 100_001)]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("sh", "-c", "exit 3"), "ended with status 3"),
        (("sh", "-c", "kill -9 $$"), "ended with status -9"),
        (("/no/such/program",), "cannot be run"),
        (("/",), "cannot be run"),
    ],
)
async def test_failure(command: tuple[str, ...], words: str) -> None:
    with pytest.raises(HookFailed, match=words) as failure:
        await run_hook(command, workflow_id=7, api_url=URL, show=print)
    assert command[0] in str(failure.value)


async def test_no_process_is_left_when_the_watch_is_stopped() -> None:
    """Neither the hook nor what it has started."""
    processes: list[psutil.Process] = []

    def show(line: str) -> None:
        processes.extend(psutil.Process(int(word)) for word in line.split())
        tasks.cancel_scope.cancel()

    script = "sleep 1000 & trap '' TERM; echo $$ $!; wait"
    async with anyio.create_task_group() as tasks:
        await run_hook(("sh", "-c", script), workflow_id=7, api_url=URL, show=show)
    assert len(processes) == 2
    _, alive = psutil.wait_procs(processes, timeout=10)
    assert not alive


async def test_background_process_of_the_hook_does_not_delay_the_watch() -> None:
    """A daemon that the hook started has the hook's output, and keeps it open."""
    shown: list[str] = []
    script = "sleep 1000 & echo $!"
    with anyio.fail_after(30):
        await run_hook(("sh", "-c", script), workflow_id=7, api_url=URL, show=shown.append)
    daemon = psutil.Process(int(shown[0]))
    daemon.kill()


@pytest.mark.parametrize(
    ("ending", "status", "runs", "verdict"),
    [
        ((1, None, 10.0), 0, 1, Verdict.SUCCEEDED),
        ((1, None, 10.0), 3, 1, Verdict.HANDED_OVER),
        ((137, 64 * MIB, 10.0), 3, 0, Verdict.SUCCEEDED),
    ],
)
async def test_before_a_round(
    open_site: "OpenSite",
    tmp_path: Path,
    ending: tuple[int, int | None, float],
    status: int,
    runs: int,
    verdict: Verdict,
) -> None:
    """Only where the cause is unknown; before anything is reset, and never if it says no."""
    script = tmp_path / "hook"
    script.write_text(f"echo $TORC_WORKFLOW_ID at $TORC_API_URL; exit {status}\n")
    async with open_site() as site:
        site.scheduler.endings = {"a": [(*ending[:2], 0.0)]}
        workflow_id = await site.submit(["a"])
        await site.scheduler.rest()

        ended = await site.watch(
            workflow_id, hook=("sh", str(script)), once=verdict is Verdict.SUCCEEDED
        )

        printed = [event.line for event in site.seen(events.HookPrinted)]
        assert printed == [f"{workflow_id} at {URL}"] * runs
        if verdict is Verdict.HANDED_OVER:
            assert ended.verdict is verdict
            assert f"`{shlex.join(['sh', str(script)])}` ended with status 3" in ended.reason
            assert (await site.asked(workflow_id))["a"].name == "small"
            assert (await site.client.get_workflow(workflow_id)).run_id == 1
        else:
            assert ended.verdict is Verdict.RESUBMITTED
