"""Where the events of a foreground watch go: the log in its output folder, and the terminal."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime

from torc_watch.app.foreground_watch import watch
from torc_watch.cli.event_loop import run
from torc_watch.cli.exit_status import discard_stdout
from torc_watch.cli.output_folder import unusable_folder_refused
from torc_watch.cli.waiting_notice import WaitingNotice
from torc_watch.config.settings import Settings
from torc_watch.core.events import (
    AllocationFailed,
    Event,
    PollDeferred,
    Polled,
    PollFailed,
    WatchCrashed,
    WatchEnded,
    WorkflowFailed,
    WorkflowSucceeded,
)
from torc_watch.engine.messages import WatchRequest
from torc_watch.logs.event_logger import event_logger, json_lines
from torc_watch.logs.watch_log import open_watch_log, watch_log_path
from torc_watch.render.colors import Color, has_colors, painted
from torc_watch.render.next_steps import next_steps
from torc_watch.render.transcript import Transcript

_COLORS: dict[type[Event], Color] = {
    WorkflowSucceeded: Color.GREEN,
    WorkflowFailed: Color.RED,
    WatchEnded: Color.RED,  # one that succeeded has no line
    WatchCrashed: Color.RED,
    PollFailed: Color.YELLOW,
    AllocationFailed: Color.YELLOW,
}


def watch_in_foreground(
    request: WatchRequest, settings: Settings, url: str | None, *, as_json: bool
) -> int:
    """Watches in the foreground and returns the exit status; `recover` is a watch of one round."""

    connection = settings.connection(url)

    async def command() -> int:
        with (
            watch_output(request, as_json=as_json) as report,
            WaitingNotice(connection) as notice,
        ):

            def first_end_notice(event: Event) -> None:
                notice.end()
                report(event)

            ended = await watch(request, settings, connection, first_end_notice)
        if not as_json:
            log = watch_log_path(request.output_dir, request.workflow_id)
            _show(next_steps(ended, url, log))
        return ended.verdict.exit_status

    return run(command)


@contextmanager
def watch_output(
    request: WatchRequest, *, as_json: bool = False
) -> Iterator[Callable[[Event], None]]:
    """Yields what the engine reports to. Raises InvalidInput for an unusable output folder."""
    is_terminal = sys.stdout.isatty()
    transcript = Transcript(clock=_time if is_terminal else None)
    colors = _COLORS if has_colors(sys.stdout) else {}
    with ExitStack() as stack:
        with unusable_folder_refused(request.output_dir):
            file = stack.enter_context(open_watch_log(request.output_dir, request.workflow_id))
        outputs = [json_lines(file.write), *([json_lines(_show_line)] if as_json else [])]
        log = event_logger(*outputs).bind(workflow_id=request.workflow_id)

        def report(event: Event) -> None:
            if isinstance(event, (Polled, PollDeferred)):  # for `list` and `status`
                return
            log.log(event)
            if not as_json:
                _show(_colored(transcript.lines(event), colors.get(type(event))))

        yield report


def _time() -> str:
    return f"{datetime.now().astimezone():%H:%M:%S}"


def _colored(lines: Iterable[str], color: Color | None) -> Iterator[str]:
    """Only the first sentence, not what is under it."""
    for line in lines:
        yield painted(line, color)
        color = None if line else color


def _show_line(line: str) -> None:
    _show([line])


def _show(lines: Iterable[str]) -> None:
    """Raises BrokenPipeError when the reader is gone; other errors lose only the lines."""
    try:
        for line in lines:
            print(line, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        discard_stdout()
        print(
            f"Standard output: {error.strerror}. The watch continues without it.", file=sys.stderr
        )
