"""Which handler answers which method and path."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain

from torc_watch.sandbox.server import (
    actions,
    bodies,
    claims,
    initializing,
    jobs,
    lifecycle,
    overviews,
    resources,
    tasks,
    workflows,
)
from torc_watch.sandbox.server.calls import Answer, Call
from torc_watch.sandbox.server.catalog import catalog
from torc_watch.sandbox.server.jobs import JOBS
from torc_watch.sandbox.server.settings import ApiVersionName
from torc_watch.sandbox.server.workflows import WORKFLOWS

Handler = Callable[[Call], Answer]
Routes = Mapping[str, Mapping[str, Handler]]

# Those of the real servers that this one is compared with: Torc's own tools look at them.
VERSIONS = {
    "0.12": "0.12.2 (embedded)",
    "1.0": {"version": "1.0.0", "api_version": "0.23.0", "git_hash": "embedded"},
}

_JOBS: Routes = {
    "/jobs": {"POST": jobs.create_job, "GET": jobs.list_jobs},
    "/bulk_jobs": {"POST": jobs.create_jobs},
    "/jobs/{id}": {"GET": jobs.show_job, "PUT": jobs.update_job},
    "/jobs/{id}/manage_status_change/{status}/{run_id}": {"PUT": lifecycle.change_status},
    "/jobs/{id}/start_job/{run_id}/{compute_node_id}": {"PUT": lifecycle.start_job},
    "/jobs/{id}/complete_job/{status}/{run_id}": {"POST": lifecycle.complete_job},
    "/jobs/{id}/retry/{run_id}": {"POST": lifecycle.retry_job},
}
_WORKFLOWS: Routes = {
    "/workflows": {"POST": workflows.create_workflow, "GET": workflows.list_workflows},
    "/workflows/{id}": {"GET": workflows.show_workflow},
    "/workflows/{id}/status": {"GET": workflows.show_status},
    "/workflows/{id}/is_complete": {"GET": workflows.is_complete},
    "/workflows/{id}/is_uninitialized": {"GET": workflows.is_uninitialized},
    "/workflows/{id}/cancel": {"PUT": workflows.cancel_workflow},
    "/workflows/{id}/reset_status": {"POST": workflows.reset_status},
    "/workflows/{id}/reset_job_status": {"POST": initializing.reset_job_status},
    "/workflows/{id}/initialize_jobs": {"POST": tasks.initialize},
    "/workflows/{id}/job_dependencies": {"GET": overviews.list_dependencies},
    "/workflows/{id}/required_existing_files": {"GET": overviews.list_required_files},
    "/workflows/{id}/missing_user_data": {"GET": overviews.list_missing_user_data},
    "/workflows/{id}/claim_jobs_based_on_resources/{limit}": {"POST": claims.claim_fitting_jobs},
    "/workflows/{id}/actions": {"POST": actions.create_action, "GET": actions.list_actions},
    "/workflows/{id}/actions/pending": {"GET": actions.list_pending_actions},
    "/workflows/{id}/actions/{action_id}/claim": {"POST": actions.claim_action},
}
_ONLY_OF: Mapping[ApiVersionName, Routes] = {
    "0.12": {
        "/workflows/{id}/status": {"PUT": workflows.update_status},
    },
    "1.0": {
        "/workflows/{id}/archive": {"POST": workflows.archive_workflow},
        "/workflows/{id}/batch_complete_jobs": {"POST": lifecycle.complete_jobs},
        "/workflows/{id}/running_jobs": {"GET": overviews.list_running_jobs},
        "/workflows/{id}/active_task": {"GET": tasks.show_active_task},
        "/tasks/{id}": {"GET": tasks.show_task},
    },
}
# What is served of the simple resources, and where.
_PLACES: Mapping[Callable[..., Answer], tuple[str, str]] = {
    resources.create: ("POST", ""),
    resources.listing: ("GET", ""),
    resources.show: ("GET", "/{id}"),
    resources.update: ("PUT", "/{id}"),
}
_SERVED: Mapping[str, Sequence[Callable[..., Answer]]] = {
    "resource_requirements": (resources.create, resources.listing, resources.show),
    "results": (resources.listing,),
    "files": tuple(_PLACES),
    "user_data": (resources.create,),
    "local_schedulers": (resources.create, resources.listing),
    "slurm_schedulers": tuple(_PLACES),
    "scheduled_compute_nodes": tuple(_PLACES),
    "compute_nodes": tuple(_PLACES),
    "slurm_stats": (resources.create, resources.listing),
}


def routes(api_version: ApiVersionName) -> Routes:
    """Handlers by method by path."""
    found: dict[str, dict[str, Handler]] = {
        "/ping": {"GET": lambda _: Answer({"status": "ok"})},
        "/version": {"GET": lambda _: Answer(VERSIONS[api_version])},
    }
    particular = (part.items() for part in (_JOBS, _WORKFLOWS, _ONLY_OF[api_version]))
    for path, methods in chain(*particular, _simple(api_version)):
        found.setdefault(path, {}).update(methods)
    return found


def _simple(api_version: ApiVersionName) -> Iterator[tuple[str, Mapping[str, Handler]]]:
    """The routes of the resources that are all alike, and deletions."""
    things = catalog(api_version)
    for name, resource in things.items():
        for serve in _SERVED[name]:
            method, suffix = _PLACES[serve]
            yield f"/{name}{suffix}", {method: partial(serve, resource=resource)}
    for resource in (JOBS[api_version], WORKFLOWS[api_version]):
        yield f"/{resource.path}/{{id}}", {"DELETE": partial(resources.delete, resource=resource)}
    if api_version == "1.0":
        for name, model in (("files", bodies.Files), ("user_data", bodies.UserDataList)):
            add = partial(resources.create_many, resource=things[name], model=model)
            yield f"/bulk_{name}", {"POST": add}
