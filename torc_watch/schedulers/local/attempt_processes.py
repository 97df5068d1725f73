"""What is left on this machine of attempts that have a result.

Torc 1.0 kills only the shell of a job that takes too much memory: what that started lives on, and
inherits which attempt it belongs to.
"""

import os
import socket
from functools import partial

from torc_watch.core.errors import SchedulerError
from torc_watch.host.processes import Process, all_processes, end_all, environment_of
from torc_watch.schedulers.base import EndedAttempts
from torc_watch.schedulers.local.orphan_processes import is_ours
from torc_watch.torc.server_url import is_other_server, is_same_server

_KILL_PATIENCE = 5.0  # seconds for SIGKILL to show


def end_attempt_processes(attempts: EndedAttempts) -> int:
    """Kills what runs here of these attempts, by this user; how many processes that were.

    Raises SchedulerError when something does not end, or may be of another server.
    """
    if _is_of(attempts, _environment(os.getpid())):
        raise SchedulerError("This program runs in one of them.")
    strangers: set[int] = set()
    find = partial(_remnants_of, attempts, strangers)
    ended = 0
    for _ in range(2):  # one that was about to start another program has no environment then
        found = end_all(find, patience=_KILL_PATIENCE)
        if found is None:
            raise SchedulerError(f"Processes do not end on {socket.gethostname()}.")
        ended += found
    if strangers:
        raise SchedulerError(
            f"Process {min(strangers)} may be one of them, or of a job of another server."
        )
    return ended


def _remnants_of(attempts: EndedAttempts, strangers: set[int]) -> list[Process]:
    """Those to end; ``strangers`` gets the PIDs of those of which the server is not known."""
    found = []
    for process in all_processes():
        if process.is_dead or not is_ours(process.pid):
            continue
        environment = _environment(process.pid)
        if not _is_of(attempts, environment):
            continue
        url = environment.get("TORC_API_URL", "")
        if is_same_server(attempts.server, url):
            found.append(process)
        elif not is_other_server(attempts.server, url):
            strangers.add(process.pid)
    return found


def _environment(pid: int) -> dict[str, str]:
    entries = map(os.fsdecode, environment_of(pid))
    return dict(entry.partition("=")[::2] for entry in entries)


def _is_of(attempts: EndedAttempts, environment: dict[str, str]) -> bool:
    """0.12 does not say which run it is."""
    run_id = str(attempts.run_id)
    found = environment.get("TORC_JOB_ID"), environment.get("TORC_ATTEMPT_ID")
    return (
        environment.get("TORC_WORKFLOW_ID") == str(attempts.workflow_id)
        and environment.get("TORC_RUN_ID", run_id) == run_id
        and found in {(str(job_id), str(each)) for job_id, each in attempts.attempts.items()}
    )
