"""Where the events of a watch go: the log in its output folder, and the terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from torc_watch.core.errors import InvalidInput
from torc_watch.core.events import Event
from torc_watch.engine.watch import WatchRequest
from torc_watch.interfaces.transcript import Transcript
from torc_watch.log import EventLog, open_log


@contextmanager
def reporting(request: WatchRequest, *, as_json: bool) -> Iterator[Callable[[Event], None]]:
    """Gives what the engine reports to. Raises InvalidInput for an unusable output folder."""
    transcript, screen = Transcript(), EventLog(sys.stdout)

    def show(event: Event) -> None:
        if as_json:
            screen.write(event)
        else:
            for line in transcript.lines(event):
                print(line, flush=True)

    with ExitStack() as stack:
        try:
            log = stack.enter_context(open_log(request.output_dir, request.workflow_id))
        except OSError as error:
            raise InvalidInput(
                f"The output folder {request.output_dir} cannot be used: {error.strerror}. "
                "Give another with --output-dir."
            ) from error

        def report(event: Event) -> None:
            log.write(event)
            show(event)

        yield report
