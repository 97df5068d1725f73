"""The routing table: the handler of each method and path."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain

from torc_watch.sandbox.server import (
    actions,
    bodies,
    claims,
    initialization,
    job_lifecycle,
    jobs,
    resource_handlers,
    tasks,
    workflow_handlers,
    workflow_queries,
)
from torc_watch.sandbox.server.api_request import ApiRequest, ApiResponse
from torc_watch.sandbox.server.jobs import JOBS
from torc_watch.sandbox.server.resource_definitions import resources_by_path
from torc_watch.sandbox.server.server_settings import TorcApi
from torc_watch.sandbox.server.workflow_handlers import WORKFLOWS

Handler = Callable[[ApiRequest], ApiResponse]
Routes = Mapping[str, Mapping[str, Handler]]

# The versions of the real servers that this one imitates: Torc's own tools check them.
VERSIONS = {
    "0.12": "0.12.2 (embedded)",
    "1.0": {"version": "1.0.0", "api_version": "0.23.0", "git_hash": "embedded"},
}

_JOBS: Routes = {
    "/jobs": {"POST": jobs.create_job, "GET": jobs.list_jobs},
    "/bulk_jobs": {"POST": jobs.create_jobs},
    "/jobs/{id}": {"GET": jobs.show_job, "PUT": jobs.update_job},
    "/jobs/{id}/manage_status_change/{status}/{run_id}": {"PUT": job_lifecycle.change_status},
    "/jobs/{id}/start_job/{run_id}/{compute_node_id}": {"PUT": job_lifecycle.start_job},
    "/jobs/{id}/complete_job/{status}/{run_id}": {"POST": job_lifecycle.complete_job},
    "/jobs/{id}/retry/{run_id}": {"POST": job_lifecycle.retry_job},
}
_WORKFLOWS: Routes = {
    "/workflows": {
        "POST": workflow_handlers.create_workflow,
        "GET": workflow_handlers.list_workflows,
    },
    "/workflows/{id}": {"GET": workflow_handlers.show_workflow},
    "/workflows/{id}/status": {"GET": workflow_handlers.show_status},
    "/workflows/{id}/is_complete": {"GET": workflow_handlers.is_complete},
    "/workflows/{id}/is_uninitialized": {"GET": workflow_handlers.is_uninitialized},
    "/workflows/{id}/cancel": {"PUT": workflow_handlers.cancel_workflow},
    "/workflows/{id}/reset_status": {"POST": workflow_handlers.reset_status},
    "/workflows/{id}/reset_job_status": {"POST": initialization.reset_job_status},
    "/workflows/{id}/initialize_jobs": {"POST": tasks.initialize},
    "/workflows/{id}/job_dependencies": {"GET": workflow_queries.list_dependencies},
    "/workflows/{id}/required_existing_files": {"GET": workflow_queries.list_required_files},
    "/workflows/{id}/missing_user_data": {"GET": workflow_queries.list_missing_user_data},
    "/workflows/{id}/claim_jobs_based_on_resources/{limit}": {"POST": claims.claim_fitting_jobs},
    "/workflows/{id}/actions": {"POST": actions.create_action, "GET": actions.list_actions},
    "/workflows/{id}/actions/pending": {"GET": actions.list_pending_actions},
    "/workflows/{id}/actions/{action_id}/claim": {"POST": actions.claim_action},
}
_ONLY_IN: Mapping[TorcApi, Routes] = {
    "0.12": {
        "/workflows/{id}/status": {"PUT": workflow_handlers.update_status},
    },
    "1.0": {
        "/workflows/{id}": {"PUT": workflow_handlers.update_workflow},
        "/workflows/{id}/archive": {"POST": workflow_handlers.archive_workflow},
        "/workflows/{id}/batch_complete_jobs": {"POST": job_lifecycle.complete_jobs},
        "/workflows/{id}/running_jobs": {"GET": workflow_queries.list_running_jobs},
        "/workflows/{id}/active_task": {"GET": tasks.show_active_task},
        "/tasks/{id}": {"GET": tasks.show_task},
    },
}
# Method and path suffix of each generic handler, and the handlers of each resource.
_GENERIC_ROUTES: Mapping[Callable[..., ApiResponse], tuple[str, str]] = {
    resource_handlers.create: ("POST", ""),
    resource_handlers.list_rows: ("GET", ""),
    resource_handlers.show: ("GET", "/{id}"),
    resource_handlers.update: ("PUT", "/{id}"),
}
_HANDLERS_BY_RESOURCE: Mapping[str, Sequence[Callable[..., ApiResponse]]] = {
    "resource_requirements": (
        resource_handlers.create,
        resource_handlers.list_rows,
        resource_handlers.show,
    ),
    "results": (resource_handlers.list_rows,),
    "files": tuple(_GENERIC_ROUTES),
    "user_data": (resource_handlers.create,),
    "local_schedulers": (resource_handlers.create, resource_handlers.list_rows),
    "slurm_schedulers": tuple(_GENERIC_ROUTES),
    "scheduled_compute_nodes": tuple(_GENERIC_ROUTES),
    "compute_nodes": tuple(_GENERIC_ROUTES),
    "slurm_stats": (resource_handlers.create, resource_handlers.list_rows),
}


def routes(api_version: TorcApi) -> Routes:
    """Path to method to handler."""
    found: dict[str, dict[str, Handler]] = {
        "/ping": {"GET": lambda _: ApiResponse({"status": "ok"})},
        "/version": {"GET": lambda _: ApiResponse(VERSIONS[api_version])},
    }
    specific = (part.items() for part in (_JOBS, _WORKFLOWS, _ONLY_IN[api_version]))
    for path, methods in chain(*specific, _generic_routes(api_version)):
        found.setdefault(path, {}).update(methods)
    return found


def _generic_routes(api_version: TorcApi) -> Iterator[tuple[str, Mapping[str, Handler]]]:
    """The routes of the generic handlers, and all deletions."""
    resources = resources_by_path(api_version)
    for name, resource in resources.items():
        for serve in _HANDLERS_BY_RESOURCE[name]:
            method, suffix = _GENERIC_ROUTES[serve]
            yield f"/{name}{suffix}", {method: partial(serve, resource=resource)}
    for resource in (JOBS[api_version], WORKFLOWS[api_version]):
        yield (
            f"/{resource.path}/{{id}}",
            {"DELETE": partial(resource_handlers.delete, resource=resource)},
        )
    if api_version == "1.0":
        for name, model in (("files", bodies.Files), ("user_data", bodies.UserDataList)):
            add = partial(resource_handlers.create_many, resource=resources[name], model=model)
            yield f"/bulk_{name}", {"POST": add}
