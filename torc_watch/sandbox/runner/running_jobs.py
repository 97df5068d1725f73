"""Starts, samples and stops all jobs of a worker."""

import time
from collections.abc import Callable

import anyio
from anyio.abc import TaskGroup

from torc_watch.sandbox.runner.job import (
    SAMPLE_INTERVAL,
    JobEnd,
    JobLaunch,
    RunningJob,
    not_started,
)
from torc_watch.sandbox.runner.process_trees import ProcessTrees

MAX_CPU_SHARE = 0.2  # of one CPU, for sampling


class RunningJobs:
    """The running jobs. ``ended`` is called once for each started job."""

    def __init__(self, tasks: TaskGroup, ended: Callable[[JobEnd], None]) -> None:
        self._tasks = tasks
        self._ended = ended
        self._trees = ProcessTrees()
        self._running: dict[int, RunningJob] = {}
        self._is_sampling = False

    def __len__(self) -> int:
        return len(self._running)

    def start(self, launch: JobLaunch) -> None:
        """Starts a job. A job that cannot be started ends at once as failed."""
        try:
            job = RunningJob(launch, self._trees)
        except (OSError, ValueError) as error:
            self._ended(not_started(launch, error))
            return
        self._running[job.shell] = job
        self._tasks.start_soon(self._wait_for, job)
        if not self._is_sampling:
            self._is_sampling = True
            self._tasks.start_soon(self._sample)

    def stop(self) -> None:
        """Stops all jobs; ``ended`` is called for each when its last process has ended."""
        for job in self._running.values():
            job.stop()

    async def _wait_for(self, job: RunningJob) -> None:
        end = await job.wait()
        del self._running[job.shell]
        self._ended(end)

    async def _sample(self) -> None:
        while self._running:
            began = time.monotonic()
            members = self._trees.members()
            for shell, job in self._running.items():
                job.sample(members.get(shell, []))
            await anyio.sleep(pause_after(time.monotonic() - began))
        self._is_sampling = False


def pause_after(sampling: float) -> float:
    """Seconds to wait after a sample that took ``sampling`` seconds.

    Limits the cost of sampling on machines with thousands of processes.
    """
    return max(SAMPLE_INTERVAL, sampling * (1 / MAX_CPU_SHARE - 1))
