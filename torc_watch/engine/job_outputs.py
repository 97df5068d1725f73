"""What failed jobs and their allocations have written, as clues to why they failed. Only reads."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice, product
from pathlib import Path

import anyio

from torc_watch.core.clue import Clue
from torc_watch.core.job_output import (
    allocation_output_names,
    is_kernel_log_of,
    kernel_log_pattern,
    output_names,
)
from torc_watch.core.memory_kill import MemoryKill
from torc_watch.core.model import Job, JobResult
from torc_watch.failures.kernel_log import memory_kills
from torc_watch.failures.output_search import OutputSearch, OutputText
from torc_watch.failures.rule import Rule
from torc_watch.failures.step_lines import killed_processes, lines_of_steps
from torc_watch.host.file_excerpt import read_excerpt

MAX_SECONDS = 20.0  # for all jobs of a workflow: a file system may hang
_MAX_ALLOCATIONS = 200  # the newest
_MAX_KERNEL_LOGS = 500  # of all nodes
Failures = Iterable[tuple[Job, JobResult]]
Perform = Callable[[Callable[[], None]], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenClues:
    """``by_job`` has the clues of each job that left some, by its ID.

    ``unread`` counts the jobs whose output could not be read in time. ``killed`` has the processes
    of which a job's output says that they were killed, by the job's ID. ``by_step`` has what Slurm
    wrote of a step into the output of its allocation, by the name of the step, such as ``7.3``, and
    ``kills`` what the kernel killed, by the number of the allocation.
    """

    by_job: Mapping[int, tuple[Clue, ...]] = field(default_factory=dict)
    unread: int = 0
    killed: Mapping[int, frozenset[int]] = field(default_factory=dict)
    by_step: Mapping[str, tuple[Clue, ...]] = field(default_factory=dict)
    kills: Mapping[int, tuple[MemoryKill, ...]] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class _Found:
    """What a thread has found so far; one that hangs may go on later."""

    by_job: dict[int, tuple[Clue, ...]] = field(default_factory=dict)
    killed: dict[int, frozenset[int]] = field(default_factory=dict)
    by_step: dict[str, tuple[Clue, ...]] = field(default_factory=dict)
    kills: dict[int, tuple[MemoryKill, ...]] = field(default_factory=dict)

    def as_clues(self, jobs: int) -> WrittenClues:
        read = dict(self.by_job)
        return WrittenClues(
            by_job={job_id: clues for job_id, clues in read.items() if clues},
            unread=jobs - len(read),
            killed=dict(self.killed),
            by_step=dict(self.by_step),
            kills=dict(self.kills),
        )


class OutputReader:
    """Reads in a thread for each workflow, and begins no other while one hangs.

    The threads do not keep the process from ending.
    """

    def __init__(self, max_seconds: float = MAX_SECONDS) -> None:
        self._max_seconds = max_seconds
        self._hanging: threading.Thread | None = None

    async def __call__(self, work: Callable[[], None]) -> None:
        if self._hanging is not None and self._hanging.is_alive():
            return
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def run() -> None:
            try:
                work()
            finally:
                with suppress(RuntimeError):  # the loop has ended
                    loop.call_soon_threadsafe(done.set)

        thread = threading.Thread(target=run, name="job outputs", daemon=True)
        thread.start()
        with anyio.move_on_after(self._max_seconds) as waiting:
            await done.wait()
        if waiting.cancelled_caught:
            self._hanging = thread


class JobOutputs:
    """``load_rules`` is called before the first output is searched; ``perform`` may give up."""

    def __init__(
        self, load_rules: Callable[[], Sequence[Rule]], perform: Perform | None = None
    ) -> None:
        self._load_rules = load_rules
        self._perform = perform or OutputReader()

    @cached_property
    def _search(self) -> OutputSearch:
        return OutputSearch(self._load_rules())

    async def perform(self, work: Callable[[], None]) -> None:
        """Other work on files, in the same thread; it may still go on when this gives up."""
        await self._perform(work)

    async def clues(
        self,
        folders: Sequence[Path],
        workflow_id: int,
        failures: Failures,
        allocations: Collection[int] = (),
    ) -> WrittenClues:
        """What the outputs of these attempts say, in the first of the folders that has them.

        Also what those of the allocations say whose numbers are given. Raises InvalidInput where
        the user's rules cannot be read.
        """
        chosen = list(failures)
        if not chosen:
            return WrittenClues()
        search, found = self._search, _Found()
        numbers = sorted(allocations)[-_MAX_ALLOCATIONS:]

        def read_all() -> None:
            for job, result in chosen:
                texts = _texts(folders, workflow_id, result)
                found.by_job[job.id] = search.clues(texts)
                if killed := frozenset().union(*(killed_processes(each.text) for each in texts)):
                    found.killed[job.id] = killed
            for number in numbers:
                _read_allocation(search, folders, workflow_id, number, found)
            _read_kernel_logs(folders, workflow_id, numbers, found)

        await self._perform(read_all)
        return found.as_clues(len(chosen))


def _read_allocation(
    search: OutputSearch, folders: Sequence[Path], workflow_id: int, number: int, found: _Found
) -> None:
    for output in _first(folders, allocation_output_names(workflow_id=workflow_id, number=number)):
        for step, lines in lines_of_steps(output.text).items():
            clues = search.clues([OutputText(file=output.file, text=lines)])
            found.by_step[step] = found.by_step.get(step, ()) + clues


def _read_kernel_logs(
    folders: Sequence[Path], workflow_id: int, numbers: Sequence[int], found: _Found
) -> None:
    """Of all nodes of these allocations; a folder is listed once."""
    if not numbers:
        return
    for folder in folders:
        logs: list[Path] = []
        with suppress(OSError):
            logs = list(islice(folder.glob(kernel_log_pattern(workflow_id)), _MAX_KERNEL_LOGS))
        for number, log in product(numbers, logs):
            if is_kernel_log_of(log.name, workflow_id=workflow_id, number=number):
                output = _read(log)
                kills = memory_kills(output.text, output.file) if output else ()
                own = tuple(kill for kill in kills if kill.step.startswith(f"{number}."))
                found.kills[number] = (*found.kills.get(number, ()), *own)
        if logs:
            return


def _texts(folders: Sequence[Path], workflow_id: int, result: JobResult) -> list[OutputText]:
    """What an attempt has written; files that cannot be read say nothing."""
    names = output_names(
        workflow_id=workflow_id,
        job_id=result.job_id,
        run_id=result.run_id,
        attempt=result.attempt,
    )
    return _first(folders, names)


def _first(folders: Sequence[Path], names: Sequence[str]) -> list[OutputText]:
    """Those with these names in the first of the folders that has some."""
    for folder in folders:
        texts = [text for name in names if (text := _read(folder / name))]
        if texts:
            return texts
    return []


def _read(path: Path) -> OutputText | None:
    with suppress(OSError):
        if text := read_excerpt(path):
            return OutputText(file=str(path), text=text)
    return None
