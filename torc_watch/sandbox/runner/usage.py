"""Computes peak and average resource usage from samples of a job's processes."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from torc_watch.core.units import KIB
from torc_watch.host.processes import Process

# Seconds. The kernel counts CPU time in hundredths of a second: a shorter window is mostly noise.
CPU_WINDOW = 1.0


class ResourceUsage(Protocol):
    """The kernel's usage of an ended child and the children it waited for (getrusage(2))."""

    @property
    def ru_maxrss(self) -> int: ...
    @property
    def ru_utime(self) -> float: ...
    @property
    def ru_stime(self) -> float: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Memory in bytes, CPU in percent of one core. None if the job was too short to measure."""

    peak_memory: int | None = None
    average_memory: int | None = None
    peak_cpu: float | None = None
    average_cpu: float | None = None


class UsageMeter:
    """Aggregates the samples of one job since ``started``, a monotonic time in seconds.

    Memory is the sum of the resident sets, so shared pages count once per process.
    """

    def __init__(self, started: float) -> None:
        self._started = started
        self._samples = 0
        self._memory_sum = 0
        self._peak_memory = 0
        self._peak_cpu = 0.0
        self._cpu_of: dict[tuple[int, int], float] = {}
        self._window = (started, 0.0)

    def sample(self, now: float, processes: Iterable[Process]) -> int:
        """Records one sample and returns its memory in bytes."""
        memory = 0
        for process in processes:
            memory += process.memory
            self._cpu_of[process.identity] = process.cpu_seconds
        self._samples += 1
        self._memory_sum += memory
        self._peak_memory = max(self._peak_memory, memory)
        self._sample_cpu(now)
        return memory

    def _sample_cpu(self, now: float) -> None:
        since, before = self._window
        if now - since < CPU_WINDOW:
            return
        used = sum(self._cpu_of.values())
        self._peak_cpu = max(self._peak_cpu, 100 * (used - before) / (now - since))
        self._window = (now, used)

    def total(self, now: float, kernel: ResourceUsage, own_peak_memory: int) -> Usage:
        """Combines the samples with the kernel's numbers.

        The kernel misses no peak, but reports only the largest single process. It also counts the
        time between fork and exec, when the child still has this process's memory: numbers up to
        ``own_peak_memory`` (bytes) are ignored.
        """
        largest = kernel.ru_maxrss * KIB
        peak_memory = max(self._peak_memory, largest if largest > own_peak_memory else 0)
        seconds = now - self._started
        cpu = max(sum(self._cpu_of.values()), kernel.ru_utime + kernel.ru_stime)
        average_cpu = 100 * cpu / seconds if seconds else None
        return Usage(
            peak_memory=peak_memory or None,
            average_memory=self._memory_sum // self._samples if self._samples else None,
            peak_cpu=max(self._peak_cpu, average_cpu) if average_cpu is not None else None,
            average_cpu=average_cpu,
        )
