"""All jobs of a worker: started, sampled together, and handed back when they have ended."""

import time
from collections.abc import Callable

import anyio
from anyio.abc import TaskGroup

from torc_watch.sandbox.runner.job import (
    SAMPLE_INTERVAL,
    JobEnd,
    Launch,
    RunningJob,
    not_started,
)
from torc_watch.sandbox.runner.process_trees import ProcessTrees

LARGEST_SHARE = 0.2  # of one CPU, for sampling


class Jobs:
    """The jobs that run now. ``ended`` is called once for each that was started."""

    def __init__(self, tasks: TaskGroup, ended: Callable[[JobEnd], None]) -> None:
        self._tasks = tasks
        self._ended = ended
        self._trees = ProcessTrees()
        self._running: dict[int, RunningJob] = {}
        self._is_sampling = False

    def __len__(self) -> int:
        return len(self._running)

    def start(self, launch: Launch) -> None:
        """Starts a job; one that cannot be started is a failed job, and has ended at once."""
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
        """Ends all jobs; each is handed back as terminated when its last process is gone."""
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
    """Seconds between two samples, of which one took ``sampling`` seconds.

    On a machine with thousands of processes, looking at them must not take a whole CPU.
    """
    return max(SAMPLE_INTERVAL, sampling * (1 / LARGEST_SHARE - 1))
