"""Runs Torc's own runner, ``torc run``, instead of ours.

It is a child of the allocation's process. That process keeps the allocation's lock and updates the
allocation on the server, since the compute node of ``torc run`` belongs to no allocation.
``torc run`` ends when the workflow is complete or canceled, or after the workflow's idle timeout.
When it is stopped or killed it leaves its jobs running, so they are killed here.

It measures resource usage, and enforces limits according to the workflow's ``resource_monitor`` and
``execution_config`` (Torc 0.12 only measures). Its jobs see the server's password.
"""

import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from uuid import uuid4

import anyio
from anyio import to_thread
from anyio.abc import Process
from structlog.typing import FilteringBoundLogger

from torc_watch.core.units import GIB
from torc_watch.host.processes import end_all, processes_with_environment
from torc_watch.sandbox.runner.outage import SHUTDOWN_GRACE
from torc_watch.schedulers.local.worker_settings import WorkerSettings

NOT_STARTED = 126
_KILL_TIMEOUT = 10.0  # seconds after SIGKILL


async def run_torc(
    program: Path, settings: WorkerSettings, stop: anyio.Event, log: FilteringBoundLogger
) -> int:
    """Returns when Torc's runner and all of its jobs have ended.

    Returns the runner's exit status, 128 + n after signal n, or 126 if it could not be started.
    """
    marker = f"TORC_WATCH_RUNNER={uuid4().hex}"
    try:
        process = await anyio.open_process(
            torc_command(program, settings),
            stdin=subprocess.DEVNULL,
            stdout=None,
            stderr=None,
            env=os.environ | torc_environment(settings) | dict([marker.split("=")]),
        )
    except OSError as error:
        log.warning("torc_not_started", program=str(program), error=str(error))
        return NOT_STARTED
    log.info("torc_started", torc_pid=process.pid)
    await _wait(process, stop)
    if await to_thread.run_sync(_kill_jobs, marker) is None:
        log.warning("jobs_do_not_end")
    code = process.returncode or 0
    log.info("torc_ended", return_code=code)
    return code if code >= 0 else 128 - code


async def _wait(process: Process, stop: anyio.Event) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_forward_stop, stop, process)
        await process.wait()
        tasks.cancel_scope.cancel()


async def _forward_stop(stop: anyio.Event, process: Process) -> None:
    await stop.wait()
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
        await anyio.sleep(SHUTDOWN_GRACE)
        process.kill()


def _kill_jobs(marker: str) -> int | None:
    return end_all(partial(processes_with_environment, os.fsencode(marker)), patience=_KILL_TIMEOUT)


def torc_command(program: Path, settings: WorkerSettings) -> list[str]:
    """The command line; all options exist since Torc 0.12."""
    # With all digits: Torc panics if its jobs release more memory than it had at first.
    memory_gb = repr(settings.memory / GIB)
    command = [str(program), "--url", settings.connection.url, "run", str(settings.workflow_id)]
    command += ["--num-cpus", str(settings.num_cpus), "--memory-gb", memory_gb]
    command += ["--output-dir", str(settings.output_dir)]
    return [*command, "--poll-interval", str(settings.poll_interval)]


def torc_environment(settings: WorkerSettings) -> Mapping[str, str]:
    """Torc's environment variables for the user name and the TLS settings."""
    connection = settings.connection
    environment = {}
    if connection.username is not None:
        environment["USER"] = connection.username
    if connection.ca_file is not None:
        environment["TORC_TLS_CA_CERT"] = str(connection.ca_file)
    if not connection.verify_tls:
        environment["TORC_TLS_INSECURE"] = "true"
    return environment
