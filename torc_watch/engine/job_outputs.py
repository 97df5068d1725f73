"""What failed jobs have written, as clues to why they failed. Only reads."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import anyio

from torc_watch.core.clue import Clue
from torc_watch.core.job_output import output_names
from torc_watch.core.model import Job, JobResult
from torc_watch.failures.output_search import OutputSearch, OutputText
from torc_watch.failures.rule import Rule
from torc_watch.host.file_excerpt import read_excerpt

MAX_SECONDS = 20.0  # for all jobs of a workflow: a file system may hang
Failures = Iterable[tuple[Job, JobResult]]
Perform = Callable[[Callable[[], None]], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenClues:
    """``by_job`` has the clues of each job that left some, by its ID.

    ``unread`` counts the jobs whose output could not be read in time.
    """

    by_job: Mapping[int, tuple[Clue, ...]] = field(default_factory=dict)
    unread: int = 0


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
        self, folders: Sequence[Path], workflow_id: int, failures: Failures
    ) -> WrittenClues:
        """What the outputs of these attempts say, in the first of the folders that has them.

        Raises InvalidInput where the user's rules cannot be read.
        """
        chosen = list(failures)
        if not chosen:
            return WrittenClues()
        search, found = self._search, dict[int, tuple[Clue, ...]]()

        def read_all() -> None:
            for job, result in chosen:
                found[job.id] = search.clues(_texts(folders, workflow_id, result))

        await self._perform(read_all)
        read = dict(found)  # a thread that hangs may go on later
        by_job = {job_id: clues for job_id, clues in read.items() if clues}
        return WrittenClues(by_job=by_job, unread=len(chosen) - len(read))


def _texts(folders: Sequence[Path], workflow_id: int, result: JobResult) -> list[OutputText]:
    """What an attempt has written; files that cannot be read say nothing."""
    names = output_names(
        workflow_id=workflow_id,
        job_id=result.job_id,
        run_id=result.run_id,
        attempt=result.attempt,
    )
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
