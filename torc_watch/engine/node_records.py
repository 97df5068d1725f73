"""Remembers for which failures of all workflows nodes may be to blame."""

from collections.abc import Collection
from datetime import UTC, datetime

from torc_watch.core.diagnosis import Finding
from torc_watch.core.model import SLURM, JobStatus
from torc_watch.core.node_blame import incidents_of
from torc_watch.core.node_incident import short_name
from torc_watch.core.workflow_key import WorkflowKey
from torc_watch.engine.messages import EngineContext, Watch

_MOST_ASKED = 20  # jobs whose success is asked for at once


class NodeRecords:
    def __init__(self, context: EngineContext) -> None:
        self._client = context.client
        self._cluster = context.cluster
        self._incidents = context.journal.incidents

    async def record(self, watch: Watch, findings: Collection[Finding]) -> None:
        """Of a workflow at rest. Raises ServerError, SchedulerError and JournalError."""
        slurm = self._cluster.schedulers.get(SLURM)
        if slurm is None or not any(finding.node for finding in findings):
            return
        key = WorkflowKey(watch.identity.server, watch.workflow_id)
        now = datetime.now(UTC)
        if not incidents_of(findings, key, cluster="", now=now) or not await self._is_of_slurm(key):
            return
        incidents = incidents_of(findings, key, cluster=await slurm.cluster_name(), now=now)
        self._incidents.record(watch.identity.created, incidents)

    async def _is_of_slurm(self, key: WorkflowKey) -> bool:
        """Of others the node is a machine from which nothing can keep away."""
        allocations = await self._client.list_allocations(key.workflow_id)
        return any(each.scheduler_type == SLURM for each in allocations)

    async def decide(self, watch: Watch, failed: Collection[int] = ()) -> None:
        """Whether jobs that failed fast have succeeded on other nodes since.

        ``failed`` are the IDs of those that have not. Raises ServerError and JournalError.
        """
        identity = watch.identity
        undecided = [
            each
            for each in self._incidents.undecided(
                identity.server, identity.workflow_id, identity.created
            )
            if each.job_id not in failed
        ]
        if not undecided:
            return
        nodes = await self._client.list_compute_nodes(identity.workflow_id)
        hosts = {node.id: node.hostname for node in nodes}
        for each in undecided[:_MOST_ASKED]:
            result = await self._client.find_result(identity.workflow_id, each.job_id)
            if result is None or result.status is not JobStatus.COMPLETED:
                continue
            if host := hosts.get(result.compute_node_id or 0):
                is_elsewhere = short_name(host) != each.node
                self._incidents.decide(identity.created, each, counts=is_elsewhere)
