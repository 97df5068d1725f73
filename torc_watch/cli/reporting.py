"""Where the events of a watch go: the log in its output folder, and the terminal."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from torc_watch.cli import running
from torc_watch.core.errors import InvalidInput
from torc_watch.core.events import Event, Looked, LookHeldUp
from torc_watch.engine.watch import WatchRequest
from torc_watch.logs.event_logger import event_logger, json_lines
from torc_watch.logs.watch_log import open_watch_log
from torc_watch.render.transcript import Transcript


@contextmanager
def reporting(request: WatchRequest, *, as_json: bool) -> Iterator[Callable[[Event], None]]:
    """Gives what the engine reports to. Raises InvalidInput for an unusable output folder."""
    transcript = Transcript()
    with ExitStack() as stack:
        with unusable_folder_refused(request.output_dir):
            file = stack.enter_context(open_watch_log(request.output_dir, request.workflow_id))
        outputs = [json_lines(file.write), *([json_lines(_show_line)] if as_json else [])]
        log = event_logger(*outputs).bind(workflow_id=request.workflow_id)

        def report(event: Event) -> None:
            if isinstance(event, (Looked, LookHeldUp)):  # of use to who asks how things are
                return
            log.log(event)
            if not as_json:
                _show(transcript.lines(event))

        yield report


@contextmanager
def unusable_folder_refused(output_dir: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InvalidInput(
            f"The output folder {output_dir} cannot be used: {error.strerror}. "
            "Give another with --output-dir."
        ) from error


def _show_line(line: str) -> None:
    _show([line])


def _show(lines: Iterable[str]) -> None:
    """Raises BrokenPipeError when nobody reads us any more; other trouble costs only the lines."""
    try:
        for line in lines:
            print(line, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        running.discard_stdout()
        print(f"Standard output: {error.strerror}. Going on without.", file=sys.stderr)
