"""Exercises a server with Torc's official Python client and prints the observations as JSON.

The Python environment of one client runs it: ``python official_client_driver.py URL``. It needs
only that client. The methods of both versions have their bodies at the same positions.
"""

import importlib
import json
import sys
import time
from collections.abc import Callable
from typing import Any

CLIENT = importlib.import_module("torc.openapi_client")
MODELS = importlib.import_module("torc.openapi_client.models")
# In 0.12 clients read and write a status; in 1.0 it is part of the workflow.
HAS_STATUS = hasattr(MODELS, "WorkflowStatusModel")
_POLL_INTERVAL = 0.02  # seconds
_PATIENCE = 100  # polls
NODE = {"num_cpus": 4, "memory_gb": 8.0, "num_gpus": 0, "num_nodes": 1}


class Api:
    """The methods of every API class of a client, found by name."""

    def __init__(self, url: str) -> None:
        client = CLIENT.ApiClient(CLIENT.Configuration(host=url))
        classes = [getattr(CLIENT, name) for name in dir(CLIENT) if name.endswith("Api")]
        self._parts = [api(client) for api in classes]

    def __getattr__(self, name: str) -> Callable[..., Any]:
        for part in self._parts:
            if hasattr(part, name):
                method: Callable[..., Any] = getattr(part, name)
                return method
        raise AttributeError(name)


def model(kind: str, /, **fields: Any) -> Any:
    return getattr(MODELS, kind)(**fields)


def status_of_error(call: Callable[..., Any], *arguments: Any, **named: Any) -> int:
    try:
        call(*arguments, **named)
    except CLIENT.ApiException as error:
        return int(error.status)
    return 200


def plain(status: Any) -> str:
    """The text of a status, which is an enum member in one client and a string in the other."""
    return str(getattr(status, "value", status))


def statuses(api: Api, workflow_id: int) -> dict[str, str]:
    return {job.name: plain(job.status) for job in api.list_jobs(workflow_id).items}


def submit(api: Api) -> tuple[int, list[Any]]:
    """Create a workflow: ``c`` depends on ``b``, ``b`` on ``a``; ``d`` is independent."""
    workflow = api.create_workflow(model("WorkflowModel", name="official", user="tester"))
    needs = api.create_resource_requirements(
        model(
            "ResourceRequirementsModel",
            workflow_id=workflow.id,
            name="small",
            num_cpus=1,
            num_gpus=0,
            num_nodes=1,
            memory="1g",
            runtime="PT5M",
        )
    )
    jobs: list[Any] = []
    for name in "abcd":
        blockers = [jobs[-1].id] if name in "bc" else []
        body = model(
            "JobModel",
            workflow_id=workflow.id,
            name=name,
            command=f"echo {name}",
            resource_requirements_id=needs.id,
            depends_on_job_ids=blockers,
        )
        jobs += api.create_jobs(model("JobsModel", jobs=[body])).jobs
    return workflow.id, jobs


def register_node(api: Api, workflow_id: int) -> Any:
    return api.create_compute_node(
        model(
            "ComputeNodeModel",
            workflow_id=workflow_id,
            hostname="node",
            pid=1,
            start_time="2026-01-01T00:00:00Z",
            is_active=True,
            compute_node_type="local",
            scheduler={"scheduler_id": 1},
            **NODE,
        )
    )


def claim(api: Api, workflow_id: int, limit: int) -> list[Any]:
    resources = model("ComputeNodesResources", **NODE)
    return list(api.claim_jobs_based_on_resources(workflow_id, limit, resources).jobs)


def run_jobs(api: Api, workflow_id: int, run_id: int, codes: dict[str, int]) -> list[str]:
    """Claim, start and complete the ready jobs with ``codes`` by name; returns their names."""
    node = register_node(api, workflow_id)
    claimed = claim(api, workflow_id, 10)
    for job in claimed:
        api.start_job(job.id, run_id, node.id)
        code = codes.get(job.name, 0)
        status = "failed" if code else "completed"
        result = model(
            "ResultModel",
            job_id=job.id,
            workflow_id=workflow_id,
            run_id=run_id,
            attempt_id=job.attempt_id,
            compute_node_id=node.id,
            return_code=code,
            exec_time_minutes=0.5,
            completion_time="2026-01-01T00:00:30Z",
            status=status,
            peak_memory_bytes=2**30,
        )
        api.complete_job(job.id, status, run_id, result)
    node.is_active = False
    node.duration_seconds = 1.0
    api.update_compute_node(node.id, node)
    return sorted(job.name for job in claimed)


def observe_allocations(api: Api, workflow_id: int) -> dict[str, Any]:
    body = model(
        "ScheduledComputeNodesModel",
        workflow_id=workflow_id,
        scheduler_id=4711,
        scheduler_config_id=1,
        scheduler_type="slurm",
        status="pending",
    )
    allocation = api.create_scheduled_compute_node(body)
    busy = status_of_error(api.reset_workflow_status, workflow_id)
    allocation.status = "complete"
    api.update_scheduled_compute_node(allocation.id, allocation)
    return {
        "reset_while_pending": busy,
        "complete": api.list_scheduled_compute_nodes(workflow_id, status="complete").total_count,
        "pending": api.list_scheduled_compute_nodes(workflow_id, status="pending").total_count,
    }


def observe_action(api: Api, workflow_id: int) -> dict[str, Any]:
    action = api.create_workflow_action(
        workflow_id,
        model(
            "WorkflowActionModel",
            workflow_id=workflow_id,
            trigger_type="on_workflow_start",
            action_type="run_commands",
            action_config={"commands": ["true"]},
        ),
    )
    api.initialize_jobs(workflow_id)
    pending = api.get_pending_actions(workflow_id)
    node = register_node(api, workflow_id)
    claim = model("ClaimActionRequest", compute_node_id=node.id)
    api.claim_action(workflow_id, action.id, claim)
    return {
        "pending": [one.trigger_type for one in pending],
        "second_claim": status_of_error(api.claim_action, workflow_id, action.id, claim),
    }


def run_id_of(api: Api, workflow_id: int) -> int:
    source = api.get_workflow_status if HAS_STATUS else api.get_workflow
    return int(source(workflow_id).run_id)


def run_ready_jobs(api: Api, workflow_id: int) -> None:
    run_jobs(api, workflow_id, run_id_of(api, workflow_id), {})


def wait_until_complete(
    api: Api, workflow_id: int, between_polls: Callable[[], None] = lambda: None
) -> None:
    """Torc 0.12.2 sometimes overlooks a finished job until another one ends: then one does."""
    polls = 0
    while not api.is_workflow_complete(workflow_id).is_complete:
        between_polls()
        time.sleep(_POLL_INTERVAL)
        polls += 1
        if polls % _PATIENCE == 0:
            other_id, _ = submit(api)
            api.initialize_jobs(other_id)
            run_ready_jobs(api, other_id)


def begin_next_run(api: Api, workflow_id: int) -> None:
    """In 0.12 the client writes the run to the status; in 1.0 the reset increments it."""
    if HAS_STATUS:
        status = api.get_workflow_status(workflow_id)
        status.run_id += 1
        api.update_workflow_status(workflow_id, status)
    api.reset_workflow_status(workflow_id)


def observe_shown(api: Api, workflow_id: int, job_id: int) -> dict[str, Any]:
    """The workflow, and its first job, which failed."""
    (result,) = api.list_results(workflow_id, job_id=job_id).items
    (node,) = api.list_compute_nodes(workflow_id).items
    mine = {one.id for one in api.list_workflows(user="tester", limit=10_000).items}
    return {
        "workflow": [api.get_workflow(workflow_id).name, workflow_id in mine],
        "job": [api.get_job(job_id).name, plain(api.get_job(job_id).status)],
        "result": [result.return_code, result.peak_memory_bytes, plain(result.status)],
        "node": [api.get_compute_node(node.id).hostname, node.is_active],
    }


def observe_recovery(api: Api) -> dict[str, Any]:
    """One job fails and its dependents are canceled; they are reset and run again to the end."""
    workflow_id, jobs = submit(api)
    seen: dict[str, Any] = {
        "uninitialized": api.is_workflow_uninitialized(workflow_id).is_uninitialized
    }
    api.initialize_jobs(workflow_id)
    seen["initialized"] = statuses(api, workflow_id)
    seen["claimed"] = run_jobs(api, workflow_id, run_id_of(api, workflow_id), {"a": 137})
    wait_until_complete(api, workflow_id)
    seen["failed"] = statuses(api, workflow_id)
    seen["shown"] = observe_shown(api, workflow_id, jobs[0].id)
    run_id = run_id_of(api, workflow_id)
    seen["allocations"] = observe_allocations(api, workflow_id)
    seen["reset"] = api.reset_job_status(workflow_id, failed_only=True).updated_count
    begin_next_run(api, workflow_id)
    seen["runs"] = run_id_of(api, workflow_id) - run_id
    api.initialize_jobs(workflow_id, only_uninitialized=True)
    seen["again"] = statuses(api, workflow_id)
    wait_until_complete(api, workflow_id, between_polls=lambda: run_ready_jobs(api, workflow_id))
    seen["recovered"] = statuses(api, workflow_id)
    seen["results"] = api.list_results(workflow_id).total_count
    seen["all results"] = api.list_results(workflow_id, all_runs=True).total_count
    return seen


def observe_retry(api: Api) -> dict[str, Any]:
    """The client of 0.12 cannot send ``max_retries``, so its server refuses."""
    workflow_id, jobs = submit(api)
    api.initialize_jobs(workflow_id)
    run_jobs(api, workflow_id, 0, {"d": 1})
    if HAS_STATUS:
        return {"without max_retries": status_of_error(api.retry_job, jobs[3].id, 0)}
    retried = api.retry_job(jobs[3].id, 0, 2)
    return {
        "retried": [plain(retried.status), retried.attempt_id],
        "too often": status_of_error(api.retry_job, jobs[3].id, 0, 1),
    }


def observe_newer(api: Api) -> dict[str, Any]:
    """The requests that only 1.0 has."""
    workflow_id, jobs = submit(api)
    task = api.initialize_jobs(workflow_id, var_async=True)
    while api.get_active_task_for_workflow(workflow_id).task is not None:
        pass  # the server runs the task
    claim(api, workflow_id, 1)
    api.start_job(jobs[0].id, 0, register_node(api, workflow_id).id)
    running = api.get_running_jobs(workflow_id).items
    summary = api.get_workflow_status(workflow_id)
    archived = api.archive_workflow(workflow_id, model("ArchiveWorkflowRequest", is_archived=True))
    return {
        "task": [task.operation, plain(api.get_task(task.id).status)],
        "running": [job.job_name for job in running],
        "counts": [summary.total_jobs, summary.jobs_by_status.running],
        "archived": archived.is_archived,
        "reset when archived": status_of_error(api.reset_workflow_status, workflow_id),
    }


def main() -> None:
    api = Api(sys.argv[1])
    version = api.get_version()
    action_workflow, _ = submit(api)
    seen = {
        "ping": json.loads(json.dumps(api.ping(), default=lambda one: one.to_dict())),
        "version": version if isinstance(version, str) else version.version,
        "recovery": observe_recovery(api),
        "retry": observe_retry(api),
        "action": observe_action(api, action_workflow),
    }
    if not HAS_STATUS:
        seen["newer"] = observe_newer(api)
    json.dump(seen, sys.stdout)


if __name__ == "__main__":
    main()
