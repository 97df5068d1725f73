"""Watches many workflows in one process, each as `torc-watchd watch --auto-recover` does.

Arguments: server URL, folder for logs, poll interval in seconds, workflow ids.
"""

import sys
from contextlib import ExitStack, closing
from pathlib import Path

import anyio

from tests.rigs.watches import watch_all
from torc_watch.app import composition
from torc_watch.cli.watch_output import watch_output
from torc_watch.config.settings import Settings
from torc_watch.core.events import Event
from torc_watch.core.recovery_round import RecoverySettings
from torc_watch.engine.journal import Journal
from torc_watch.engine.messages import EngineContext, WatchRequest


async def watch(url: str, output_dir: Path, poll_interval: float, ids: list[int]) -> None:
    settings = Settings()
    connection = settings.connection(url)
    requests = [_request(number, output_dir, poll_interval) for number in ids]
    with ExitStack() as stack:
        reports = {
            request.workflow_id: stack.enter_context(watch_output(request)) for request in requests
        }

        def report(event: Event) -> None:
            reports[event.workflow_id](event)

        journal = stack.enter_context(closing(Journal(settings.home / "journal.db")))
        async with composition.open_client(connection) as client:
            context = EngineContext(
                client=client,
                cluster=composition.open_cluster(settings),
                journal=journal,
                locks=settings.home / "locks",
                outputs=composition.job_outputs(),
                report=report,
            )
            await watch_all(requests, context)


def _request(workflow_id: int, output_dir: Path, poll_interval: float) -> WatchRequest:
    return WatchRequest(
        workflow_id=workflow_id,
        recovery=RecoverySettings(max_retries=3),
        poll_interval=poll_interval,
        show_job_counts=False,
        output_dir=output_dir,
    )


if __name__ == "__main__":
    _, url, output_dir, poll_interval, *ids = sys.argv
    anyio.run(watch, url, Path(output_dir), float(poll_interval), [int(number) for number in ids])
