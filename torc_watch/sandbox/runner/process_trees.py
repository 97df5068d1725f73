"""Tracks which processes of this machine belong to which job.

A process belongs to a job if it is the job's shell, is in the shell's session, descends from a
member, or has the job's marker in its environment. A member stays a member, so a double fork does
not escape. Only a program that clears its environment, leaves its session and loses its parent
within one sampling interval escapes.
"""

from collections import defaultdict

from torc_watch.host.processes import Process, all_processes, environment_of


class ProcessTrees:
    """The living processes of several jobs. A job is identified by the process id of its shell."""

    def __init__(self) -> None:
        self._markers: dict[int, bytes] = {}
        self._jobs: dict[tuple[int, int], int | None] = {}

    def add(self, shell: int, marker: bytes) -> None:
        """``marker`` is a ``NAME=value`` in the environment of this job's processes only."""
        self._markers[shell] = marker

    def remove(self, shell: int) -> None:
        del self._markers[shell]

    def members(self) -> dict[int, list[Process]]:
        """The living processes of every job, from one pass over /proc."""
        # In order of start, so that a parent's job is known before its children's.
        processes = sorted(all_processes(), key=lambda process: (process.started, process.pid))
        by_pid: dict[int, int | None] = {}
        jobs: dict[tuple[int, int], int | None] = {}
        members: dict[int, list[Process]] = defaultdict(list)
        for process in processes:
            job = self._job_of(process, by_pid)
            by_pid[process.pid] = jobs[process.identity] = job
            if job is not None and not process.is_dead:
                members[job].append(process)
        self._jobs = jobs
        return members

    def _job_of(self, process: Process, by_pid: dict[int, int | None]) -> int | None:
        if process.identity in self._jobs:
            known = self._jobs[process.identity]
            return known if known in self._markers else None
        for candidate in (process.pid, process.session, by_pid.get(process.parent)):
            if candidate in self._markers:
                return candidate
        return self._marked_job(process)

    def _marked_job(self, process: Process) -> int | None:
        environment = environment_of(process.pid)
        return next((job for job, marker in self._markers.items() if marker in environment), None)
