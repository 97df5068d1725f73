from dataclasses import dataclass

import pytest

from torc_watch.core.units import KIB, MIB
from torc_watch.host.processes import Process
from torc_watch.sandbox.runner.job import SAMPLE_INTERVAL
from torc_watch.sandbox.runner.running_jobs import MAX_CPU_SHARE, pause_after
from torc_watch.sandbox.runner.usage import Usage, UsageMeter


@dataclass(frozen=True)
class Kernel:
    ru_maxrss: int = 0
    ru_utime: float = 0.0
    ru_stime: float = 0.0


def process(pid: int, *, memory: int = 0, cpu_seconds: float = 0.0) -> Process:
    return Process(
        pid=pid,
        parent=1,
        session=1,
        started=pid,
        is_dead=False,
        cpu_seconds=cpu_seconds,
        memory=memory,
    )


def test_memory_is_summed_over_the_tree() -> None:
    meter = UsageMeter(0.0)
    assert meter.sample(0.1, [process(1, memory=10 * MIB), process(2, memory=20 * MIB)]) == 30 * MIB
    assert meter.sample(0.2, [process(1, memory=10 * MIB)]) == 10 * MIB
    usage = meter.total(0.3, Kernel(), own_peak_memory=0)
    assert (usage.peak_memory, usage.average_memory) == (30 * MIB, 20 * MIB)


@pytest.mark.parametrize(
    ("kernel_peak", "own_peak", "expected"),
    [
        (90 * MIB, 60 * MIB, 90 * MIB),  # a spike between two samples
        (55 * MIB, 60 * MIB, 30 * MIB),  # our own memory, counted between fork and exec
        (20 * MIB, 10 * MIB, 30 * MIB),  # the largest process is less than the tree
    ],
)
def test_kernel_peak_counts_only_above_our_own_memory(
    kernel_peak: int, own_peak: int, expected: int
) -> None:
    meter = UsageMeter(0.0)
    meter.sample(0.1, [process(1, memory=30 * MIB)])
    kernel = Kernel(ru_maxrss=kernel_peak // KIB)
    assert meter.total(0.2, kernel, own_peak).peak_memory == expected


def test_peak_cpu_is_that_of_the_busiest_second() -> None:
    meter = UsageMeter(0.0)
    meter.sample(1.0, [process(1, cpu_seconds=0.5)])
    meter.sample(2.0, [process(1, cpu_seconds=1.5), process(2, cpu_seconds=1.0)])
    meter.sample(3.0, [process(2, cpu_seconds=1.0)])
    usage = meter.total(5.0, Kernel(ru_utime=1.5), own_peak_memory=0)
    assert (usage.peak_cpu, usage.average_cpu) == (200.0, 50.0)


def test_job_without_a_sample_has_cpu_from_the_kernel_and_no_memory() -> None:
    usage = UsageMeter(10.0).total(10.5, Kernel(ru_utime=0.2, ru_stime=0.05), own_peak_memory=0)
    assert usage == Usage(peak_cpu=50.0, average_cpu=50.0)


@pytest.mark.parametrize("sampling", [0.0, 0.001, 0.1, 3.0])
def test_sampling_is_frequent_but_limited_in_cpu(sampling: float) -> None:
    pause = pause_after(sampling)
    assert pause >= SAMPLE_INTERVAL
    assert sampling / (sampling + pause) <= MAX_CPU_SHARE
    assert pause == SAMPLE_INTERVAL or sampling > SAMPLE_INTERVAL / 10
