"""The demonstration behind ``torc-watchd demo``: real server, real workers, a folder of its own."""

import json
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import anyio
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream

from torc_watch.app import composition
from torc_watch.cli.reporting import reporting
from torc_watch.config.settings import Settings
from torc_watch.core.errors import InvalidInput, SchedulerError
from torc_watch.core.policy import RecoverySettings
from torc_watch.engine.watch import WatchRequest
from torc_watch.host.package_data import data_folder
from torc_watch.torc.transport import Connection

# Ten jobs at a time, as in the tutorial; they mostly sleep, so that two real CPUs are enough.
_ALLOCATIONS, _CPUS = 2, 5
_SECONDS_TO_START = 30
_SECONDS_TO_STOP = 10
_SPECIFICATIONS = {"oom": "tutorial", "manual": "tutorial"}  # the others are called as they are


async def run(settings: Settings, scenario: str, directory: Path | None, api: str) -> int:
    """The exit status of the watch. Raises InvalidInput for a folder that is in use."""
    folder = _empty_folder(directory)
    settings = settings.model_copy(
        update={"home": folder / "state", "password": None, "password_file": None}
    )
    try:
        async with _server(folder, api) as url:
            return await _recover_something(settings, settings.connection(url), scenario, folder)
    finally:
        print(f"\nServer data, logs and the jobs' output are in {folder}", flush=True)


async def _recover_something(
    settings: Settings, connection: Connection, scenario: str, folder: Path
) -> int:
    output_dir = folder / "output"
    try:
        submission = await composition.submit(
            _specification(scenario),
            settings,
            connection,
            composition.LocalShape(allocations=_ALLOCATIONS, num_cpus=_CPUS, output_dir=output_dir),
        )
        print(f"Created workflow {submission.workflow_id} with {submission.jobs} jobs")
        print(f"Submitted to Local with {len(submission.allocations)} allocations\n", flush=True)
        request = WatchRequest(
            workflow_id=submission.workflow_id,
            recovery=None if scenario == "manual" else RecoverySettings(),
            poll_interval=1,
            show_job_counts=True,
            output_dir=output_dir,
        )
        with reporting(request, as_json=False) as report:
            ended = await composition.watch(request, settings, connection, report)
        return ended.verdict.exit_status
    finally:
        with _undisturbed():
            await composition.local_scheduler(settings).cancel_all()


@asynccontextmanager
async def _server(folder: Path, api: str) -> AsyncIterator[str]:
    """The URL of a Torc server that runs in a process of its own while the context is open."""
    command = [sys.executable, "-m", "torc_watch", "sandbox", "serve", "--json", "--port", "0"]
    command += ["--directory", str(folder / "server"), "--api", api, "--unblock-interval", "0.2"]
    with (folder / "server.log").open("wb") as log:
        # A session of its own: Ctrl-C reaches us first, and the server stays until we are done.
        server = await anyio.open_process(command, stderr=log, start_new_session=True)
    try:
        yield await _announced_url(server, folder / "server.log")
    finally:
        with _undisturbed():
            await _stop(server)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """What was started is stopped, however impatiently Ctrl-C is pressed once more."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with anyio.CancelScope(shield=True):
            yield
    finally:
        signal.signal(signal.SIGINT, before)


async def _announced_url(server: Process, log: Path) -> str:
    assert server.stdout is not None  # noqa: S101 - open_process pipes it unless told otherwise
    line = ""
    with anyio.move_on_after(_SECONDS_TO_START):
        async for text in TextReceiveStream(server.stdout):
            line += text
            if "\n" in line:
                url: str = json.loads(line)["url"]
                return url
    raise SchedulerError(f"The Torc server did not start; {log} says why.")


async def _stop(server: Process) -> None:
    if server.returncode is None:
        server.send_signal(signal.SIGTERM)
    with anyio.move_on_after(_SECONDS_TO_STOP) as patience:
        await server.wait()
    if patience.cancelled_caught:
        server.kill()
    await server.aclose()


def _empty_folder(directory: Path | None) -> Path:
    if directory is None:
        return Path(tempfile.mkdtemp(prefix="torc-watch-demo-"))
    try:
        directory.mkdir(parents=True, exist_ok=True)
        in_use = any(directory.iterdir())
    except OSError as error:
        raise InvalidInput(f"The folder {directory} cannot be used: {error.strerror}.") from error
    if in_use:
        raise InvalidInput(f"The folder {directory} is not empty: name a new one.")
    return directory.absolute()


def _specification(scenario: str) -> Path:
    return data_folder("examples") / f"{_SPECIFICATIONS.get(scenario, scenario)}.yaml"
