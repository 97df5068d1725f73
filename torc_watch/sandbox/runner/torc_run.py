"""Torc's own runner, ``torc run``, in the place of ours.

It is a child of the allocation's process, which goes on holding the allocation's lock and speaks
for it to the server: ``torc run`` registers a compute node that belongs to no allocation. It ends
by itself when the workflow is complete or canceled, or had nothing for it for as long as the
workflow says. Killed or told to stop it leaves its jobs running, so they are ended here.

It measures what a job uses, and ends one that uses too much, as the workflow's ``resource_monitor``
and ``execution_config`` say (Torc 0.12 only measures). Its jobs see the server's password.
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
from torc_watch.host.processes import carriers_of, end_all
from torc_watch.sandbox.runner.outage import FAREWELL
from torc_watch.schedulers.local.worker_settings import WorkerSettings

NOT_STARTED = 126
_KILL_PATIENCE = 10.0  # seconds for SIGKILL to show


async def run_torc(
    program: Path, settings: WorkerSettings, stop: anyio.Event, log: FilteringBoundLogger
) -> int:
    """Returns when neither Torc's runner nor any of its jobs runs any more.

    The exit status is the runner's, 128 + n after signal n, or 126 when it could not be started.
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
    await _ended(process, stop)
    if await to_thread.run_sync(_end_all, marker) is None:
        log.warning("jobs_do_not_end")
    code = process.returncode or 0
    log.info("torc_ended", return_code=code)
    return code if code >= 0 else 128 - code


async def _ended(process: Process, stop: anyio.Event) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_pass_on, stop, process)
        await process.wait()
        tasks.cancel_scope.cancel()


async def _pass_on(stop: anyio.Event, process: Process) -> None:
    await stop.wait()
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
        await anyio.sleep(FAREWELL)
        process.kill()


def _end_all(marker: str) -> int | None:
    return end_all(partial(carriers_of, os.fsencode(marker)), patience=_KILL_PATIENCE)


def torc_command(program: Path, settings: WorkerSettings) -> list[str]:
    """Options that Torc has had since 0.12."""
    # All the digits: Torc adds up what jobs give back, and more than there was at first ends it.
    memory_gb = repr(settings.memory / GIB)
    command = [str(program), "--url", settings.connection.url, "run", str(settings.workflow_id)]
    command += ["--num-cpus", str(settings.num_cpus), "--memory-gb", memory_gb]
    command += ["--output-dir", str(settings.output_dir)]
    return [*command, "--poll-interval", str(settings.poll_interval)]


def torc_environment(settings: WorkerSettings) -> Mapping[str, str]:
    """Who we are for the server and whom we trust, by the names that Torc has for it."""
    connection = settings.connection
    environment = {}
    if connection.username is not None:
        environment["USER"] = connection.username
    if connection.ca_file is not None:
        environment["TORC_TLS_CA_CERT"] = str(connection.ca_file)
    if not connection.verify_tls:
        environment["TORC_TLS_INSECURE"] = "true"
    return environment
