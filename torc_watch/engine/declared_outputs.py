"""The output files that completed jobs declared, as they are seen from this machine. Only reads."""

import socket
import threading
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from torc_watch.core import assessment
from torc_watch.core.allocation import StepEnd
from torc_watch.core.findings import Finding
from torc_watch.core.job_output import step_name
from torc_watch.core.model import ComputeNode, Job, JobResult, Requirements, Workflow
from torc_watch.core.output_files import (
    OddOutput,
    OutputFile,
    absolute_path,
    is_of_a_node,
    may_be_odd,
    odd_outputs,
    stem,
)
from torc_watch.core.row_names import root_name
from torc_watch.core.suspect_inputs import FOR_INPUT
from torc_watch.core.worker_end import WorkerEnd
from torc_watch.engine.job_outputs import JobOutputs
from torc_watch.host.file_sizes import file_sizes
from torc_watch.torc.client import TorcClient
from torc_watch.torc.declared_files import JobFiles, list_file_paths, list_job_files


@dataclass(frozen=True, slots=True, kw_only=True)
class Successes:
    """The completed jobs, with their results, by ID, and what is known of their workers.

    ``ends`` are by the node's ID; ``steps`` by the allocation's and their names.
    """

    files: Collection[JobFiles]
    results: Mapping[int, JobResult]
    requirements: Mapping[int, Requirements]
    nodes: Mapping[int, ComputeNode]
    ends: Mapping[int, WorkerEnd]
    steps: Mapping[int, Mapping[str, StepEnd]] = field(default_factory=dict)

    def worker_of(self, job: Job) -> WorkerEnd | None:
        result = self.results.get(job.id)
        return self.ends.get(result.compute_node_id or 0) if result else None

    def step_of(self, job: Job, workflow_id: int) -> StepEnd | None:
        worker, result = self.worker_of(job), self.results.get(job.id)
        if worker is None or worker.allocation is None or result is None:
            return None
        name = step_name(
            workflow_id=workflow_id, job_id=job.id, run_id=result.run_id, attempt=result.attempt
        )
        return self.steps.get(worker.allocation.id, {}).get(name)

    def likeness(self, job: Job) -> str:
        """The same for jobs that do the same: a raised request makes no difference."""
        row = self.requirements.get(job.requirements_id or 0)
        return f"{root_name(row.name) if row else ''} {stem(job.name)}"

    def ran_on(self, job: Job, hostname: str) -> bool:
        result = self.results.get(job.id)
        node = self.nodes.get(result.compute_node_id or 0) if result else None
        return node is not None and node.hostname == hostname


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenFiles:
    """``sizes`` in bytes, None for a file that is not there, by ID; ``paths`` of the same files.

    ``unseen`` says, for people, what could not be looked at; usually empty.
    """

    paths: Mapping[int, str]
    sizes: Mapping[int, int | None]
    unseen: str = ""

    def may_be_odd(self, findings: Iterable[Finding]) -> bool:
        """Whether it is worth to ask which jobs they are of, which takes Torc a while."""
        files = ((self.paths[number], size) for number, size in self.sizes.items())
        failed = any(each.cause in FOR_INPUT for each in findings)
        return may_be_odd(files, with_failed_readers=failed)


NO_FILES = SeenFiles(paths={}, sizes={})


async def look_at(paths: Mapping[int, str], outputs: JobOutputs) -> SeenFiles:
    """In the thread that reads outputs, within its time."""
    sizes: dict[int, int | None] = {}
    is_done: list[bool] = []
    is_over = threading.Event()

    def look() -> None:
        for number, size in file_sizes(paths):
            if is_over.is_set():  # nothing else is read while this goes on
                return
            sizes[number] = size
        is_done.append(True)

    try:
        await outputs.perform(look)
    finally:
        is_over.set()
    unseen = "" if is_done else "not all output files could be looked at in time"
    # A copy: a thread that hangs may go on later.
    return SeenFiles(paths=paths, sizes=dict(sizes), unseen=unseen)


class DeclaredOutputs:
    """Looks at files in the thread that reads outputs, within its time."""

    def __init__(self, client: TorcClient, outputs: JobOutputs) -> None:
        self._client = client
        self._outputs = outputs

    async def look(self, workflow: Workflow, nodes: Iterable[ComputeNode]) -> SeenFiles:
        """Those that can be seen from here. Raises ServerError."""
        ran_here = any(node.hostname == socket.gethostname() for node in nodes)
        paths = {
            number: path
            for number, given in (
                await list_file_paths(self._client.transport, workflow.id)
            ).items()
            if (path := absolute_path(given, workflow.submission_directory))
            if ran_here or not is_of_a_node(path)
        }
        return await look_at(paths, self._outputs)

    async def odd(
        self,
        workflow: Workflow,
        successes: Successes,
        seen: SeenFiles,
        findings: Collection[Finding],
    ) -> dict[int, OddOutput]:
        """By job ID. Raises ServerError."""
        failed_readers = await self._failed_readers(workflow, findings)
        used = {number for each in successes.files for number in each.inputs}
        return odd_outputs(
            OutputFile(
                job_id=job.id,
                path=seen.paths[number],
                size=seen.sizes[number],
                likeness=successes.likeness(job),
                was_used=number in used,
                failed_reader=failed_readers.get(number, ""),
            )
            for job, number in _written(successes)
            if number in seen.sizes
            if not is_of_a_node(seen.paths[number]) or successes.ran_on(job, socket.gethostname())
        )

    async def _failed_readers(
        self, workflow: Workflow, findings: Collection[Finding]
    ) -> dict[int, str]:
        """By the ID of a file: a job that reads it and failed for what may be its input."""
        wanted = {each.job.id for each in findings if each.cause in FOR_INPUT}
        statuses = {each.job.status for each in findings if each.job.id in wanted}
        return {
            number: f"job {each.job.id} ({each.job.name})"
            for status in sorted(statuses & set(assessment.FAILURES))
            for each in await list_job_files(self._client.transport, workflow.id, status)
            if each.job.id in wanted
            for number in each.inputs
        }


def _written(successes: Successes) -> Iterator[tuple[Job, int]]:
    """Each job with the ID of a file that it alone writes: of others nobody knows who did."""
    writers = Counter(number for each in successes.files for number in each.outputs)
    for each in successes.files:
        yield from ((each.job, number) for number in each.outputs if writers[number] == 1)
