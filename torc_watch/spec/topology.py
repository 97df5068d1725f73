"""Sorts jobs by their dependencies."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from torc_watch.spec.problems import Problems, quoted
from torc_watch.spec.specification import JobSpec

_MAX_DEPENDENCIES = 2_000_000
_MAX_SHOWN_OF_CYCLE = 20

_Item = tuple[str, str]  # a file or user data, and its name


def sort_by_dependencies(jobs: Sequence[JobSpec], problems: Problems) -> Sequence[JobSpec]:
    """The jobs, each after its dependencies, level by level in the given order.

    Cycles and too many dependencies are added to ``problems``.
    """
    producers = _producers(jobs)
    count = sum(_count(job, producers) for job in jobs)
    if count > _MAX_DEPENDENCIES:
        problems.add(
            "jobs",
            f"{count:,} dependencies are too many ({_MAX_DEPENDENCIES:,} at most); let one job "
            "depend on a whole stage, and the next stage on that job",
        )
        return jobs
    sorter = TopologicalSorter({job.name: _dependencies(job, producers) for job in jobs})
    try:
        sorter.prepare()
    except CycleError as error:
        problems.add("jobs", f"these jobs depend on each other in a cycle: {_chain(error.args[1])}")
        return jobs
    return list(_levels(sorter, jobs))


def dependencies(jobs: Sequence[JobSpec]) -> Mapping[str, Sequence[str]]:
    """The jobs that each job has to wait for, also through files and user data, by their names."""
    producers = _producers(jobs)
    return {job.name: tuple(dict.fromkeys(_dependencies(job, producers))) for job in jobs}


def _producers(jobs: Sequence[JobSpec]) -> Mapping[_Item, Sequence[str]]:
    producers: dict[_Item, list[str]] = defaultdict(list)
    for job in jobs:
        for name in job.output_files:
            producers["file", name].append(job.name)
        for name in job.output_user_data:
            producers["user data", name].append(job.name)
    return producers


def _inputs(job: JobSpec) -> Iterator[_Item]:
    yield from (("file", name) for name in job.input_files)
    yield from (("user data", name) for name in job.input_user_data)


def _count(job: JobSpec, producers: Mapping[_Item, Sequence[str]]) -> int:
    return len(job.depends_on) + sum(len(producers.get(item, ())) for item in _inputs(job))


def _dependencies(job: JobSpec, producers: Mapping[_Item, Sequence[str]]) -> Iterator[str]:
    yield from job.depends_on
    for item in _inputs(job):
        yield from producers.get(item, ())


def _levels(sorter: TopologicalSorter[str], jobs: Sequence[JobSpec]) -> Iterator[JobSpec]:
    position = {job.name: number for number, job in enumerate(jobs)}
    while sorter.is_active():
        level = sorter.get_ready()
        yield from (jobs[number] for number in sorted(position[name] for name in level))
        sorter.done(*level)


def _chain(cycle: Sequence[str]) -> str:
    """``a -> b -> a``, where a depends on b; graphlib returns the reverse order."""
    names = [name if name.isprintable() and len(name) <= 80 else quoted(name) for name in cycle]
    names.reverse()
    if len(names) > _MAX_SHOWN_OF_CYCLE:
        names[_MAX_SHOWN_OF_CYCLE // 2 : -_MAX_SHOWN_OF_CYCLE // 2] = ["..."]
    return " -> ".join(names)
