"""What is not there, of failures that nothing explains: room for output, and declared files."""

import socket
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from torc_watch.core.diagnosis import is_unexplained
from torc_watch.core.errors import ServerError
from torc_watch.core.evidence import Evidence
from torc_watch.core.model import ComputeNode, Workflow
from torc_watch.core.output_files import absolute_path, is_of_a_node
from torc_watch.core.silent_failure import MISSING_OUTPUT
from torc_watch.engine.declared_outputs import look_at
from torc_watch.engine.job_outputs import JobOutputs, WrittenClues
from torc_watch.host.free_room import refuses_files
from torc_watch.torc.client import TorcClient
from torc_watch.torc.declared_files import count_files, list_file_paths, list_job_files

_MAX_FAILURES = 3_000  # two seconds of Torc's time
_MAX_FILES = 50_000


class SilentFailures:
    """Asks only where something is unexplained, in the thread that reads outputs."""

    def __init__(self, client: TorcClient, outputs: JobOutputs) -> None:
        self._client = client
        self._outputs = outputs

    async def explain(
        self,
        workflow: Workflow,
        evidence: Sequence[Evidence],
        written: WrittenClues,
        nodes: Mapping[int, ComputeNode],
    ) -> Sequence[Evidence]:
        """All of the evidence, in its order; ``evidence`` is that on all failed jobs.

        ``nodes`` are workers by their IDs.
        """
        unexplained = [each for each in evidence if is_unexplained(each)]
        full = await self._without_room(unexplained, written)
        lacking = [
            each
            for each in unexplained
            if each.job.id not in full and _may_lack_output(each, written)
        ]
        missing: Mapping[int, tuple[str, ...]] = {}
        if lacking and len(evidence) <= _MAX_FAILURES:
            with suppress(ServerError):  # nor for a list that a server cannot give
                missing = await self._missing(workflow, lacking, nodes)
        return [
            replace(
                each,
                full_folder=full.get(each.job.id),
                missing_outputs=missing.get(each.job.id, ()),
            )
            for each in evidence
        ]

    async def _without_room(
        self, unexplained: Collection[Evidence], written: WrittenClues
    ) -> Mapping[int, str]:
        """The folder of each job whose output is empty and could not be written, by its ID."""
        empty = {
            each.job.id: written.empty[each.job.id]
            for each in unexplained
            if each.job.id in written.empty
        }
        if not empty:
            return {}
        full: list[str] = []

        def probe() -> None:
            full.extend(
                str(folder) for folder in dict.fromkeys(empty.values()) if refuses_files(folder)
            )

        await self._outputs.perform(probe)
        return {job_id: str(folder) for job_id, folder in empty.items() if str(folder) in full}

    async def _missing(
        self,
        workflow: Workflow,
        lacking: Collection[Evidence],
        nodes: Mapping[int, ComputeNode],
    ) -> Mapping[int, tuple[str, ...]]:
        """The declared outputs that are not there, by the job's ID. Raises ServerError."""
        transport = self._client.transport
        if not 0 < await count_files(transport, workflow.id) <= _MAX_FILES:
            return {}
        wanted = {each.job.id: each for each in lacking}
        declared = [
            each
            for status in sorted({each.job.status for each in lacking})
            for each in await list_job_files(transport, workflow.id, status)
            if each.job.id in wanted and each.outputs
        ]
        if not declared:
            return {}
        given = await list_file_paths(transport, workflow.id)
        paths = {
            each.job.id: dict(
                _visible(
                    {number: given.get(number, "") for number in each.outputs},
                    workflow.submission_directory,
                    ran_here=_ran_here(wanted[each.job.id], nodes),
                )
            )
            for each in declared
        }
        seen = await look_at(
            {number: path for some in paths.values() for number, path in some.items()},
            self._outputs,
        )
        return {
            job_id: tuple(
                path for number, path in some.items() if seen.sizes.get(number, 0) is None
            )
            for job_id, some in paths.items()
        }


def _may_lack_output(evidence: Evidence, written: WrittenClues) -> bool:
    """A program that fails by itself mostly says something where errors are."""
    if evidence.result is None or evidence.result.return_code != MISSING_OUTPUT:
        return False
    if evidence.step is not None:
        return evidence.step.cause is None
    return evidence.job.id in written.without_errors


def _visible(
    files: Mapping[int, str], folder: str | None, *, ran_here: bool
) -> Iterator[tuple[int, str]]:
    for number, given in files.items():
        path = absolute_path(given, folder)
        if path is not None and (ran_here or not is_of_a_node(path)):
            yield number, path


def _ran_here(evidence: Evidence, nodes: Mapping[int, ComputeNode]) -> bool:
    node = nodes.get(evidence.result.compute_node_id or 0) if evidence.result else None
    return node is not None and node.hostname == socket.gethostname()
