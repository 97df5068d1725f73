"""The recovery hook: a user's program that runs before unknown failures are retried."""

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
from torc_watch.engine import recovery_hook
from torc_watch.engine.recovery_hook import run_hook

if TYPE_CHECKING:
    from tests.conftest import OpenSite

URL = f"http://test-{os.getpid()}/torc-service/v1"


def is_alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


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


async def test_large_output_is_shown_completely() -> None:
    assert await output_of("seq 1 100000") == [str(number) for number in range(1, 100_001)]


async def test_output_is_shown_in_bounds() -> None:
    long = await output_of("head -c 3000000 /dev/zero | tr '\\0' x; echo; echo after")
    assert long == ["x" * 10_000 + "…", "after"]

    much = await output_of("yes | head -c 30000000")
    assert sum(map(len, much)) < 2**20
    assert much[-1] == "… (the hook's further output is not shown)"


async def test_hook_that_does_not_end_is_stopped_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery_hook, "_LIMIT", 0.5)
    monkeypatch.setattr(recovery_hook, "_GRACE", 0.1)
    script = f"trap '' TERM; sleep 1000 & echo $! >{tmp_path}/pid; wait; wait"

    with pytest.raises(HookFailed, match=r"did not end within .* nothing was reset"):
        await output_of(script)

    pid = int((tmp_path / "pid").read_text())
    with anyio.fail_after(10):
        while is_alive(pid):  # noqa: ASYNC110 - of another process there is no event
            await anyio.sleep(0.01)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("sh", "-c", "exit 3"), "ended with status 3"),
        (("sh", "-c", "kill -9 $$"), "ended with status -9"),
        (("/no/such/program",), "cannot be run"),
        (("/",), "cannot be run"),
    ],
)
async def test_failed_hook_is_an_error(command: tuple[str, ...], words: str) -> None:
    with pytest.raises(HookFailed, match=words) as failure:
        await run_hook(command, workflow_id=7, api_url=URL, show=print)
    assert command[0] in str(failure.value)


async def test_hook_and_its_child_processes_end_when_the_watch_stops() -> None:
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
    """The background process inherits the hook's output, and keeps it open."""
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
async def test_hook_runs_before_a_round_with_unknown_failures(
    open_site: "OpenSite",
    tmp_path: Path,
    ending: tuple[int, int | None, float],
    status: int,
    runs: int,
    verdict: Verdict,
) -> None:
    """It runs before the reset; if it fails, nothing is changed."""
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
            assert (await site.requirements(workflow_id))["a"].name == "small"
            assert (await site.client.get_workflow(workflow_id)).run_id == 1
        else:
            assert ended.verdict is Verdict.RESUBMITTED
