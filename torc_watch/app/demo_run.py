"""The demo: a real server and real workers, in a folder of their own."""

import json
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream

from torc_watch.app.composition import local_scheduler
from torc_watch.app.foreground_watch import watch
from torc_watch.app.local_submission import LocalShape, submit
from torc_watch.config.settings import Settings
from torc_watch.core.errors import InvalidInput, SchedulerError
from torc_watch.core.events import Event
from torc_watch.core.recovery_round import RecoverySettings
from torc_watch.engine.messages import WatchRequest
from torc_watch.host.package_data import data_folder

# Ten jobs at a time, as in the tutorial; they mostly sleep, so that two real CPUs are enough.
_ALLOCATIONS, _CPUS = 2, 5
_SECONDS_TO_START = 30
_SECONDS_TO_STOP = 10
_SPECIFICATIONS = {"oom": "tutorial", "manual": "tutorial"}  # others have the scenario's name

OpenOutput = Callable[[WatchRequest], AbstractContextManager[Callable[[Event], None]]]


@dataclass(frozen=True, slots=True)
class Demo:
    """``directory`` is None for a temporary one; ``api`` is the API version of the server."""

    scenario: str
    directory: Path | None
    api: str


async def run_demo(
    settings: Settings, demo: Demo, open_output: OpenOutput, tell: Callable[[str], None]
) -> int:
    """The exit status of the watch. Raises InvalidInput for a folder that is in use.

    ``open_output`` opens what the watch reports to; ``tell`` gets all other lines.
    """
    folder = _empty_folder(demo.directory)
    settings = settings.model_copy(
        update={"home": folder / "state", "password": None, "password_file": None}
    )
    try:
        async with _server(folder, demo.api) as url, _workers(settings):
            connection = settings.connection(url)
            shape = LocalShape(
                allocations=_ALLOCATIONS, num_cpus=_CPUS, output_dir=folder / "output"
            )
            submission = await submit(_specification(demo), settings, connection, shape)
            tell(f"Created workflow {submission.workflow_id} with {submission.jobs} jobs")
            tell(f"Submitted to Local with {len(submission.allocations)} allocations\n")
            request = _watch_request(submission.workflow_id, demo, shape.output_dir)
            with open_output(request) as report:
                ended = await watch(request, settings, connection, report)
            return ended.verdict.exit_status
    finally:
        tell(f"\nServer data, logs and the jobs' output are in {folder}")


def _watch_request(workflow_id: int, demo: Demo, output_dir: Path) -> WatchRequest:
    return WatchRequest(
        workflow_id=workflow_id,
        recovery=None if demo.scenario == "manual" else RecoverySettings(),
        poll_interval=1,
        show_job_counts=True,
        output_dir=output_dir,
    )


@asynccontextmanager
async def _workers(settings: Settings) -> AsyncIterator[None]:
    """Those that are started while the context is open end with it."""
    try:
        yield
    finally:
        with _undisturbed():
            await local_scheduler(settings).cancel_all()


@asynccontextmanager
async def _server(folder: Path, api: str) -> AsyncIterator[str]:
    """The URL of a Torc server that runs in a process of its own while the context is open."""
    command = [sys.executable, "-m", "torc_watch", "sandbox", "serve", "--json", "--port", "0"]
    command += ["--directory", str(folder / "server"), "--api", api, "--unblock-interval", "0.2"]
    with (folder / "server.log").open("wb") as log:
        # A session of its own: Ctrl-C reaches only this process, which stops the server last.
        server = await anyio.open_process(command, stderr=log, start_new_session=True)
    try:
        yield await _announced_url(server, folder / "server.log")
    finally:
        with _undisturbed():
            await _stop(server)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Stops what was started, even if Ctrl-C is pressed again."""
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


def _specification(demo: Demo) -> Path:
    name = _SPECIFICATIONS.get(demo.scenario, demo.scenario)
    return data_folder("examples") / f"{name}.yaml"
