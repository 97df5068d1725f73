"""The search for completed jobs like those that failed, to tell a bad node. Only reads."""

from collections.abc import Iterable, Mapping, Sequence

from torc_watch.core.findings import Finding
from torc_watch.core.job_node import JobNode
from torc_watch.core.model import JobResult, Workflow
from torc_watch.core.siblings import SUSPECTED, blame_nodes
from torc_watch.engine.step_search import JobPlaces, find_places
from torc_watch.schedulers.cluster import Cluster
from torc_watch.torc.client import TorcClient


class SiblingSearch:
    def __init__(self, client: TorcClient, cluster: Cluster, workflow: Workflow) -> None:
        self._client = client
        self._cluster = cluster
        self._workflow = workflow

    async def blame_nodes(
        self, findings: Sequence[Finding], failed: Mapping[int, JobResult], places: JobPlaces
    ) -> tuple[Finding, ...]:
        """The findings; of those that are due to their node the cause is NODE.

        ``failed`` has the results, by the job's ID; ``places`` are theirs. Asks for completed jobs
        only where there is more than one node. Raises ServerError.
        """
        machines = sum(node.num_nodes for node in places.nodes.values())
        if machines <= 1 or not any(each.cause in SUSPECTED for each in findings):
            return tuple(findings)
        jobs, results = await self._client.list_completed(self._workflow.id)
        known = {job.id for job in jobs}
        succeeded = {each.job_id: each for each in results if each.job_id in known}
        if not succeeded:
            return tuple(findings)
        both = [*failed.values(), *succeeded.values()]
        everywhere = await find_places(
            self._client,
            self._cluster,
            self._workflow,
            list(places.nodes.values()),
            both,
            known=places,
        )
        completed = [job for job in jobs if job.id in succeeded]
        return blame_nodes(findings, completed, self._nodes(both, everywhere))

    def _nodes(self, results: Iterable[JobResult], places: JobPlaces) -> dict[int, JobNode]:
        return {each.job_id: places.node_of(each, self._workflow) for each in results}
