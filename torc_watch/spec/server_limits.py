"""What a server of a version cannot keep of a specification."""

from collections.abc import Iterator

from torc_watch.core.errors import InvalidSpec
from torc_watch.spec.specification import Spec
from torc_watch.torc.api_version import ApiVersion

# Settings that a version does not know, and what that means.
IGNORED_BY_0_12 = {
    "execution_config": "jobs run as they do by default",
}
IGNORED_BY_1_0 = {
    "jobs_sort_method": "jobs are claimed by priority, then by what they ask for",
    "compute_node_expiration_buffer_seconds": "workers know when their allocations end",
}


def refuse_what_is_lost(spec: Spec, api_version: ApiVersion) -> None:
    """Raises InvalidSpec for what jobs may need in order to do what they should."""
    if api_version is not ApiVersion.V0_12:
        return
    if "dynamic_jobs" in spec.settings:
        raise InvalidSpec(_cannot("add jobs from jobs (dynamic_jobs)"))
    if spec.env or any(job.env for job in spec.jobs):
        raise InvalidSpec(
            _cannot("keep environment variables (env)")
            + " Or export them in the commands of the jobs."
        )


def warnings_on_settings(spec: Spec, api_version: ApiVersion) -> Iterator[str]:
    """A sentence for each setting that the server takes without effect."""
    is_old = api_version is ApiVersion.V0_12
    for key, meaning in (IGNORED_BY_0_12 if is_old else IGNORED_BY_1_0).items():
        if key in spec.settings:
            yield f"{key} has no effect in Torc {api_version.value}: {meaning}"
    if is_old and any(job.priority for job in spec.jobs):
        yield "priority of jobs has no effect in Torc 0.12: it does not keep it"


def _cannot(what: str) -> str:
    return (
        f"The server runs Torc 0.12, which cannot {what}, so the workflow was not created. "
        "Use a server of Torc 1.0."
    )
