"""One watch in the foreground, and the requests for watches."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

from torc_watch.app.composition import job_outputs, open_client, open_cluster, unknown_id_refused
from torc_watch.config.settings import Settings
from torc_watch.core.events import Event, ServerUnfamiliar, WatchEnded
from torc_watch.daemon.commands import WatchedWorkflow, WatchOptions
from torc_watch.engine.journal import Journal
from torc_watch.engine.messages import EngineContext, WatchRequest
from torc_watch.engine.supervisor import watch_workflow
from torc_watch.torc.api_version import version_warning
from torc_watch.torc.transport import Connection


def watch_request(workflow_id: int, settings: Settings) -> WatchRequest:
    """A watch as configured, which retries the server for as long as it takes."""
    return WatchRequest(
        workflow_id=workflow_id,
        recovery=settings.recovery() if settings.auto_recover else None,
        poll_interval=settings.poll_interval,
        show_job_counts=True,
        output_dir=settings.output_dir.absolute(),
        hook=settings.recovery_hook,
    )


def round_request(workflow_id: int, settings: Settings) -> WatchRequest:
    """One round of recovery, now, as a user asks for it."""
    return WatchRequest(
        workflow_id=workflow_id,
        recovery=replace(settings.recovery(), max_retries=None, after_repair=True),
        poll_interval=1,
        show_job_counts=False,
        output_dir=settings.output_dir.absolute(),
        hook=settings.recovery_hook,
        patience=0,
        once=True,
    )


def request_for(workflow: WatchedWorkflow, settings: Settings) -> WatchRequest:
    """A watch of the daemon: with the options of the workflow, else as configured.

    A relative output folder is taken from the state folder: the folder in which the daemon was
    started means nothing.
    """
    return watch_request(workflow.workflow_id, settings_of_watch(workflow.options, settings))


def settings_of_watch(options: WatchOptions, settings: Settings) -> Settings:
    """Those of the daemon for a workflow."""
    combined = settings.with_options(options)
    return combined.model_copy(
        update={"output_dir": settings.home.absolute() / combined.output_dir}
    )


async def watch(
    request: WatchRequest,
    settings: Settings,
    connection: Connection,
    report: Callable[[Event], None],
) -> WatchEnded:
    """Watches one workflow to its verdict. Raises every kind of TorcWatchError."""
    cluster = open_cluster(settings)
    with closing(Journal(settings.home / "journal.db")) as journal:
        async with open_client(connection) as client:
            context = EngineContext(
                client=client,
                cluster=cluster,
                journal=journal,
                locks=settings.home / "locks",
                outputs=job_outputs(),
                report=report,
            )
            if warning := version_warning(client.version):
                report(ServerUnfamiliar(workflow_id=request.workflow_id, caution=warning))
            with unknown_id_refused(request.workflow_id, connection):
                return await watch_workflow(request, context)
