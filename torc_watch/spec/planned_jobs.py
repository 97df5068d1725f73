"""The jobs of a specification for the planner: what they ask for, and which come after which."""

from torc_watch.core.model import STEP_MODES
from torc_watch.planner.job_kinds import DEFAULT_REQUEST, JobRequest, PlannedJob
from torc_watch.planner.workload import ExecutionMode
from torc_watch.spec.specification import JobSpec, RequirementsSpec, Spec
from torc_watch.spec.topology import dependencies


def planned_jobs(spec: Spec) -> tuple[PlannedJob, ...]:
    """In the order of ``spec.jobs``."""
    requests = {row.name: _request(row) for row in spec.requirements}
    position = {job.name: place for place, job in enumerate(spec.jobs)}
    before = dependencies(spec.jobs)
    return tuple(
        PlannedJob(
            example=job.name,
            request=_request_of(job, requests),
            after=tuple(position[name] for name in before[job.name]),
        )
        for job in spec.jobs
    )


def execution_mode(settings: object) -> ExecutionMode:
    """What the ``execution_config`` of a workflow says."""
    mode = settings.get("mode") if isinstance(settings, dict) else None
    return ExecutionMode.SLURM if mode in STEP_MODES else ExecutionMode.DIRECT


def _request_of(job: JobSpec, requests: dict[str, JobRequest]) -> JobRequest:
    return requests[job.requirements] if job.requirements else DEFAULT_REQUEST


def _request(row: RequirementsSpec) -> JobRequest:
    return JobRequest(
        name=row.name,
        num_cpus=row.num_cpus,
        memory=row.memory,
        num_gpus=row.num_gpus,
        num_nodes=row.num_nodes,
        runtime=row.runtime,
    )
