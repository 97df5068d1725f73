"""What a round of recovery does: in the log of the workflow's watch, and as lines for an answer."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from torc_watch.core.errors import InvalidInput
from torc_watch.core.events import Event, PollDeferred, Polled
from torc_watch.logs.event_logger import event_logger, json_lines
from torc_watch.logs.watch_log import open_watch_log
from torc_watch.render.transcript import Transcript


@contextmanager
def logged_round(
    workflow_id: int, output_dir: Path, show: Callable[[str], None]
) -> Iterator[Callable[[Event], None]]:
    """Yields what the engine reports to; ``show`` gets each line of the transcript.

    Raises InvalidInput for an unusable output folder.
    """
    transcript = Transcript()
    with ExitStack() as stack:
        try:
            file = stack.enter_context(open_watch_log(output_dir, workflow_id))
        except OSError as error:
            raise InvalidInput(
                f"The output folder {output_dir} cannot be used: {error.strerror}."
            ) from error
        log = event_logger(json_lines(file.write)).bind(workflow_id=workflow_id)

        def report(event: Event) -> None:
            if isinstance(event, Polled | PollDeferred):
                return
            log.log(event)
            for line in transcript.lines(event):
                show(line)

        yield report
