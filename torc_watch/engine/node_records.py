"""Remembers for which failures of all workflows nodes may be to blame."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime

from torc_watch.core.findings import Finding
from torc_watch.core.model import SLURM, JobResult, JobStatus
from torc_watch.core.node_blame import incidents_of
from torc_watch.core.node_incident import NodeIncident
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
            attempts = await self._client.list_attempts(identity.workflow_id, each.job_id)
            is_elsewhere = _has_succeeded_elsewhere(each, attempts, hosts)
            if is_elsewhere is not None:
                self._incidents.decide(identity.created, each, counts=is_elsewhere)


def _has_succeeded_elsewhere(
    incident: NodeIncident, attempts: Collection[JobResult], hosts: Mapping[int, str]
) -> bool | None:
    """None where the job has not succeeded, or it is not known on which of the hosts.

    By their own names, because Slurm's may be others.
    """
    last = max(attempts, key=lambda each: (each.run_id, each.attempt), default=None)
    if last is None or last.status is not JobStatus.COMPLETED:
        return None
    host = hosts.get(last.compute_node_id or 0)
    failed_on = [
        hosts.get(each.compute_node_id or 0)
        for each in attempts
        if each.run_id == incident.run_id and each.status is not JobStatus.COMPLETED
    ]
    return None if host is None or not all(failed_on) else host not in failed_on
