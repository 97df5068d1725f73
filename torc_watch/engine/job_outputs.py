"""What failed jobs and their allocations have written, as clues to why they failed. Only reads."""

import atexit
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice, product
from pathlib import Path

from torc_watch.core.clue import Clue
from torc_watch.core.fact import ALLOCATIONS_NOT_READ, NO_OUTPUT, NOT_READ, Fact, unreadable
from torc_watch.core.job_output import (
    allocation_output_names,
    is_kernel_log_of,
    kernel_log_pattern,
    output_names,
)
from torc_watch.core.memory_kill import MemoryKill
from torc_watch.core.model import Job, JobResult
from torc_watch.engine.output_reader import OutputReader, Perform
from torc_watch.failures.kernel_log import memory_kills
from torc_watch.failures.output_search import OutputSearch, OutputText
from torc_watch.failures.rule import Rule
from torc_watch.failures.step_lines import killed_processes, lines_of_steps
from torc_watch.host.file_excerpt import read_excerpt

_MAX_ALLOCATIONS = 200  # the newest
_MAX_KERNEL_LOGS = 500  # of all nodes
Failures = Iterable[tuple[Job, JobResult]]

# At the exit of the process Python ends a daemon thread when that comes back to it; one that comes
# back from C++, which RE2 is, aborts the process. So the exit waits for the search at hand, whose
# time is bounded, and lets none begin after it. A thread that hangs in a read delays nothing.
_SEARCH_TURN = threading.Lock()
atexit.register(_SEARCH_TURN.acquire)


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenClues:
    """``by_job`` has the clues of each job that left some, by its ID.

    ``unread`` counts the jobs whose output could not be read in time, and ``silent`` has why the
    output of a job says nothing, by its ID: these, and those whose output is not there or cannot be
    read. ``empty`` has the folder with the output files of a job that are all empty, by its ID, and
    ``without_errors`` are the jobs whose file for errors has no word. ``killed`` has the processes
    of which a job's output says that they were killed, by the job's ID. ``by_step`` has what Slurm
    wrote of a step into the output of its allocation, by the name of the step, such as ``7.3``, and
    ``kills`` what the kernel killed, by the number of the allocation.
    """

    by_job: Mapping[int, tuple[Clue, ...]] = field(default_factory=dict)
    unread: int = 0
    silent: Mapping[int, Fact] = field(default_factory=dict)
    empty: Mapping[int, Path] = field(default_factory=dict)
    without_errors: Collection[int] = ()
    killed: Mapping[int, frozenset[int]] = field(default_factory=dict)
    by_step: Mapping[str, tuple[Clue, ...]] = field(default_factory=dict)
    kills: Mapping[int, tuple[MemoryKill, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Output:
    """The files of one job or allocation in a ``folder``: ``blank`` are those without a word.

    ``trouble`` is the first one that cannot be read there, or before it, or that there is none.
    """

    folder: Path | None = None
    texts: list[OutputText] = field(default_factory=list)
    blank: Collection[str] = ()
    trouble: Fact | None = None


@dataclass(slots=True, kw_only=True)
class _Found:
    """What a thread has found so far; one that hangs may go on later.

    ``has_allocations`` says that it has read what allocations have written, which comes last.
    """

    by_job: dict[int, tuple[Clue, ...]] = field(default_factory=dict)
    silent: dict[int, Fact] = field(default_factory=dict)
    empty: dict[int, Path] = field(default_factory=dict)
    without_errors: set[int] = field(default_factory=set)
    killed: dict[int, frozenset[int]] = field(default_factory=dict)
    by_step: dict[str, tuple[Clue, ...]] = field(default_factory=dict)
    kills: dict[int, tuple[MemoryKill, ...]] = field(default_factory=dict)
    has_allocations: bool = False

    def as_clues(self, jobs: Iterable[int]) -> WrittenClues:
        read, silent, missed = dict(self.by_job), dict(self.silent), set()
        if not self.has_allocations:
            silent |= {job_id: ALLOCATIONS_NOT_READ for job_id, clues in read.items() if not clues}
            missed = {job_id for job_id in jobs if job_id not in read}
        return WrittenClues(
            by_job={job_id: clues for job_id, clues in read.items() if clues},
            unread=len(missed),
            silent=silent | dict.fromkeys(missed, NOT_READ),
            empty=dict(self.empty),
            without_errors=frozenset(self.without_errors),
            killed=dict(self.killed),
            by_step=dict(self.by_step),
            kills=dict(self.kills),
        )


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
        reading = _Reading(self._search, folders, workflow_id)
        numbers = sorted(allocations)[-_MAX_ALLOCATIONS:]
        try:
            await self._perform(lambda: reading.read(chosen, numbers))
        finally:
            reading.is_over.set()
        return reading.found.as_clues(job.id for job, _ in chosen)


class _Reading:
    """Of one workflow's outputs, in a thread; it ends before another file when ``is_over``."""

    def __init__(self, search: OutputSearch, folders: Sequence[Path], workflow_id: int) -> None:
        self._search = search
        self._folders = folders
        self._workflow_id = workflow_id
        self.found = _Found()
        self.is_over = threading.Event()

    def read(self, failures: Failures, numbers: Sequence[int]) -> None:
        with suppress(_Over):
            for _, result in failures:
                self._read_job(result)
            for number in numbers:
                self._read_allocation(number)
            self._read_kernel_logs(numbers)
            self.found.has_allocations = True

    def _read_job(self, result: JobResult) -> None:
        names = output_names(
            workflow_id=self._workflow_id,
            job_id=result.job_id,
            run_id=result.run_id,
            attempt=result.attempt,
        )
        output = self._first(names)
        texts, job_id = output.texts, result.job_id
        clues = self._clues_in(texts)
        if output.trouble is not None:
            self.found.silent[job_id] = output.trouble
        elif output.folder is not None and not texts:
            self.found.empty[job_id] = output.folder
        if output.folder is not None and str(output.folder / names[0]) in output.blank:
            self.found.without_errors.add(job_id)
        if killed := frozenset().union(*(killed_processes(each.text) for each in texts)):
            self.found.killed[job_id] = killed
        self.found.by_job[job_id] = clues

    def _read_allocation(self, number: int) -> None:
        by_step = self.found.by_step
        names = allocation_output_names(workflow_id=self._workflow_id, number=number)
        for output in self._first(names).texts:
            for step, lines in lines_of_steps(output.text).items():
                clues = self._clues_in([OutputText(file=output.file, text=lines)])
                by_step[step] = by_step.get(step, ()) + clues

    def _read_kernel_logs(self, numbers: Sequence[int]) -> None:
        """Of all nodes of these allocations; a folder is listed once."""
        if not numbers:
            return
        for folder in self._folders:
            logs: list[Path] = []
            with suppress(OSError):
                pattern = kernel_log_pattern(self._workflow_id)
                logs = list(islice(folder.glob(pattern), _MAX_KERNEL_LOGS))
            for number, log in product(numbers, logs):
                if is_kernel_log_of(log.name, workflow_id=self._workflow_id, number=number):
                    self._read_kernel_log(log, number)
            if logs:
                return

    def _read_kernel_log(self, log: Path, number: int) -> None:
        output = self._read(log)
        if isinstance(output, OutputText):
            kills = memory_kills(output.text, output.file)
            own = tuple(kill for kill in kills if kill.step.startswith(f"{number}."))
            self.found.kills[number] = (*self.found.kills.get(number, ()), *own)

    def _first(self, names: Sequence[str]) -> _Output:
        """The files with these names in the first of the folders where one has a word.

        Else those in the first that has one of them.
        """
        trouble: list[Fact] = []
        blank: _Output | None = None
        for folder in self._folders:
            read = [self._read(folder / name) for name in names]
            trouble += [each for each in read if isinstance(each, Fact)]
            found = [each for each in read if isinstance(each, OutputText)]
            output = _Output(
                folder=folder,
                texts=[each for each in found if each.text],
                blank={each.file for each in found if not each.text.strip()},
                trouble=next(iter(trouble), None),
            )
            if output.texts:
                return output
            blank = blank or (output if found else None)
        if blank is not None and not trouble:
            return blank
        return _Output(trouble=next(iter(trouble), NO_OUTPUT))

    def _read(self, path: Path) -> OutputText | Fact | None:
        """Why it cannot be read, if it cannot; None for a file that is not there."""
        if self.is_over.is_set():
            raise _Over
        try:
            text = read_excerpt(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            return unreadable(str(path), error.strerror or str(error))
        if text is None:
            return unreadable(str(path), "it is no regular file")
        return OutputText(file=str(path), text=text)

    def _clues_in(self, outputs: Iterable[OutputText]) -> tuple[Clue, ...]:
        clues: tuple[Clue, ...] = ()
        for output in outputs:
            if self.is_over.is_set():
                raise _Over
            with _SEARCH_TURN:
                clues += self._search.clues([output])
        return clues


class _Over(Exception):
    """There is no time left."""
