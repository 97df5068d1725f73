"""What failed jobs have written, as clues to why they failed. Only reads."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import anyio
import anyio.to_thread

from torc_watch.core.clue import Clue
from torc_watch.core.job_output import output_names
from torc_watch.core.model import Job, JobResult
from torc_watch.failures.output_search import OutputSearch, OutputText
from torc_watch.failures.rule import Rule
from torc_watch.host.file_excerpt import read_excerpt

_MAX_JOBS = 1000  # whose output is read: in a storm the others have nothing else to say
_MAX_SECONDS = 20.0  # for all of them: a file system may hang


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenClues:
    """``by_job`` has the clues of each job that left some, by its ID.

    ``unread`` counts the jobs whose output could not be read in time.
    """

    by_job: Mapping[int, tuple[Clue, ...]] = field(default_factory=dict)
    unread: int = 0


async def _in_thread(work: Callable[[], None]) -> None:
    with anyio.move_on_after(_MAX_SECONDS):
        await anyio.to_thread.run_sync(work, abandon_on_cancel=True)


class JobOutputs:
    """``load_rules`` is called before the first output is searched; ``perform`` may give up."""

    def __init__(
        self,
        load_rules: Callable[[], Sequence[Rule]],
        perform: Callable[[Callable[[], None]], Awaitable[None]] = _in_thread,
    ) -> None:
        self._load_rules = load_rules
        self._perform = perform

    @cached_property
    def _search(self) -> OutputSearch:
        return OutputSearch(self._load_rules())

    async def clues(
        self, output_dir: Path, workflow_id: int, failures: Iterable[tuple[Job, JobResult]]
    ) -> WrittenClues:
        """What the outputs of these attempts say.

        Raises InvalidInput where the user's rules cannot be read.
        """
        chosen = list(failures)[:_MAX_JOBS]
        found: dict[int, tuple[Clue, ...]] = {}
        if not chosen:
            return WrittenClues()

        def read_all() -> None:
            for job, result in chosen:
                found[job.id] = self.clues_of(output_dir, workflow_id, job, result)

        await self._perform(read_all)
        read = dict(found)
        by_job = {job_id: clues for job_id, clues in read.items() if clues}
        return WrittenClues(by_job=by_job, unread=len(chosen) - len(read))

    def clues_of(
        self, output_dir: Path, workflow_id: int, job: Job, result: JobResult
    ) -> tuple[Clue, ...]:
        """The clues in the output of one attempt. Blocks; files that cannot be read have none."""
        names = output_names(
            workflow_id=workflow_id, job_id=job.id, run_id=result.run_id, attempt=result.attempt
        )
        outputs: list[OutputText] = []
        for name in names:
            with suppress(OSError):
                text = read_excerpt(output_dir / name)
                if text:
                    outputs.append(OutputText(file=str(output_dir / name), text=text))
        return self._search.clues(outputs)
