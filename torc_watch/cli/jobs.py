"""jobs: the jobs of a workflow, and what they have written."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import typer

from torc_watch.app.composition import open_client
from torc_watch.app.followed_job import FollowedJob
from torc_watch.app.job_list import list_jobs
from torc_watch.app.job_logs import (
    LogFile,
    LoggedJob,
    LogQuery,
    find_job,
    has_output,
    log_files,
    other_folders,
)
from torc_watch.cli import job_options, options
from torc_watch.cli.event_loop import run
from torc_watch.cli.exit_status import USAGE, print_error
from torc_watch.cli.job_output import JobOutputPrinter, print_notice
from torc_watch.cli.json_output import print_json, print_json_list
from torc_watch.cli.waiting_notice import announced
from torc_watch.config.settings import Settings, load_settings
from torc_watch.core.errors import InvalidInput
from torc_watch.core.job_attempt import why_no_output
from torc_watch.core.readable_text import is_text, readable
from torc_watch.core.units import rounded_memory
from torc_watch.host.file_tail import Tail, read_from, read_tail
from torc_watch.render.job_list import job_list_lines, job_values
from torc_watch.render.terminal_text import printable
from torc_watch.torc.transport import Connection

app = typer.Typer(
    help="List jobs, and show what they have written.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_MOST_HINTS = 3
_LONGEST_PATH = 4096  # characters


@app.callback()
def _group() -> None:
    pass


@app.command("list")
def list_(
    workflow_id: options.WorkflowId,
    *,
    status: job_options.Statuses = None,
    url: options.Url = None,
    as_json: options.Json = False,
) -> None:
    """List the jobs of a workflow.

    Each with its status and how it ended last: return code, run and attempt (2.1 is the first
    attempt of run 2), how long it ran, the most memory that was measured, and its node.

    \b
    Examples:
      torc-watchd jobs list 42
      torc-watchd jobs list 42 --status failed --status terminated
      torc-watchd jobs list 42 --json
    """
    connection = load_settings().connection(url)
    found = run(announced(connection, lambda: list_jobs(workflow_id, status or (), connection)))
    if as_json:
        print_json_list({"workflow_id": workflow_id}, "jobs", map(job_values, found))
    elif found:
        for line in job_list_lines(found):
            print(line)
    else:
        of_status = f" that is {' or '.join(status)}" if status else ""
        print(f"Workflow {workflow_id} has no job{of_status}.")


@app.command()
def logs(
    job_id: job_options.JobId,
    *,
    follow: job_options.Follow = False,
    stderr: job_options.ErrorsOnly = False,
    attempt: job_options.OfAttempt = None,
    run_id: job_options.OfRun = None,
    slurm: job_options.OfSlurm = False,
    lines: job_options.Lines = 200,
    everything: job_options.Everything = False,
    output_dir: job_options.OutputFolder = None,
    url: options.Url = None,
    as_json: options.Json = False,
) -> int:
    """Show what a job has written.

    The last lines of each file, of the last MiB at most. Of several files each begins with a line
    with its name. On a terminal, control characters are shown as codes, and of a file that is no
    text what can be read of it; in a pipe, the bytes are as they are. Looks into the output folder
    of its watch, or as configured, and into those of Torc beside it and in the folder in which the
    workflow was created. If nothing is there, says where it looked and why, and ends with 2.

    \b
    Examples:
      torc-watchd jobs logs 1234
      torc-watchd jobs logs 1234 --stderr --follow
      torc-watchd jobs logs 1234 --run 1 --slurm
      torc-watchd jobs logs 1234 --all -o results/torc_output | less
    """
    if as_json and (follow or everything):
        raise InvalidInput("--json shows the last lines, without --follow and --all.")
    settings = load_settings()
    connection = settings.connection(url)
    query = LogQuery(
        job_id=job_id,
        run_id=run_id,
        attempt=attempt,
        errors_only=stderr,
        with_allocation=slurm,
        output_dir=output_dir,
    )
    if follow:
        return _follow(query, lines, settings, connection)
    found = run(announced(connection, lambda: find_job(query, settings, connection)))
    if as_json:
        return _print_values(found, log_files(found, query), lines)
    return _show(found, query, None if everything else lines)


def _exit_status(files: Iterable[LogFile]) -> int:
    return 0 if has_output(file for file in files if not file.trouble) else USAGE


def _follow(query: LogQuery, lines: int, settings: Settings, connection: Connection) -> int:
    printer = JobOutputPrinter(titled=True)
    followed = FollowedJob(
        query, lines, lambda path, piece: printer.show(path, [piece]), print_notice
    )

    async def until_over() -> LoggedJob:
        async with open_client(connection) as client:
            return await followed.follow(client, settings)

    try:
        found = run(until_over)
    finally:
        printer.end()
    if not followed.has_read:
        print_error(_nothing_found(found, query))
        return USAGE
    print_notice(f"Job {found.job.id} ({printable(found.job.name)}) is {found.job.status.value}.")
    return 0


def _show(found: LoggedJob, query: LogQuery, lines: int | None) -> int:
    files = log_files(found, query)
    printer = JobOutputPrinter(titled=len(files) > 1)
    for file in files:
        printer.title(file.path)
        printer.show(file.path, _pieces(file, lines))
    printer.end()
    if not has_output(files):
        print_error(_nothing_found(found, query))
    return _exit_status(files)


def _pieces(file: LogFile, lines: int | None) -> Iterator[bytes]:
    try:
        if file.trouble:
            print_notice(f"{file.path} cannot be read: {file.trouble}.")
        elif lines is None:
            yield from read_from(file.path, 0)
        else:
            tail = read_tail(file.path, lines)
            if tail.is_cut:
                print_notice(f"The end of {rounded_memory(tail.size)}; all of it with --all.")
            yield _shown_content(tail)
    except OSError as error:
        print_notice(f"{file.path} cannot be read: {error.strerror or error}.")


def _shown_content(tail: Tail) -> bytes:
    """As it is in a pipe. A program's own data would fill a terminal with codes."""
    text = tail.content.decode(errors="replace")
    if not sys.stdout.isatty() or is_text(text):
        return tail.content
    print_notice("It is not text: what can be read of it. As it is in a pipe, or with --all.")
    return f"{readable(text)}\n".encode()


def _nothing_found(found: LoggedJob, query: LogQuery) -> str:
    job, attempt = found.job, found.attempt
    reason = why_no_output(job, attempt, found.config)
    folders = "\n".join(f"  {_shown(folder)}/job_stdio" for folder in found.folders)
    hint = "".join(
        f"\nA file with its name, perhaps of another server, is there: -o {_shown(folder)}"
        for folder in other_folders(found, query)[:_MOST_HINTS]
    )
    return (
        f"There is no output of job {job.id} ({printable(job.name)}), run {attempt.run_id}, "
        f"attempt {attempt.attempt}: {reason}. Looked into:\n{folders}{hint}"
    )


def _shown(path: Path) -> str:
    return printable(str(path), _LONGEST_PATH)


def _print_values(found: LoggedJob, files: Sequence[LogFile], lines: int) -> int:
    reason = why_no_output(found.job, found.attempt, found.config)
    print_json(
        {
            "workflow_id": found.workflow.id,
            "job_id": found.job.id,
            "job_name": found.job.name,
            "status": found.job.status.value,
            "run_id": found.attempt.run_id,
            "attempt": found.attempt.attempt,
            "folders": list(map(str, found.folders)),
            "missing": None if has_output(files) else reason,
            "files": [_file_values(file, lines) for file in files],
        }
    )
    return _exit_status(files)


def _file_values(file: LogFile, lines: int) -> dict[str, Any]:
    trouble = file.trouble
    tail = Tail(content=b"", size=file.size, is_cut=False)
    try:
        tail = tail if trouble else read_tail(file.path, lines)
    except OSError as error:
        trouble = error.strerror or str(error)
    text = tail.content.decode(errors="replace")
    has_text = is_text(text)
    return {
        "file": str(file.path),
        "kind": file.kind,
        "size": tail.size,
        "text": text if has_text else readable(text),
        "is_text": has_text,
        "cut": tail.is_cut,
        "trouble": trouble or None,
    }
