"""What is on top of an evidence pack: its story, and the list of what is in it and what is not."""

from collections.abc import Iterable, Iterator

from torc_watch.core.handover import Contents, PackedFile
from torc_watch.core.report import WorkflowReport
from torc_watch.render.cause_text import cause_text
from torc_watch.render.report_page.advice import advice
from torc_watch.render.report_page.summary import sentences, standing
from torc_watch.render.terminal_text import printable
from torc_watch.render.text_table import table_lines
from torc_watch.render.time_text import local_time
from torc_watch.render.transcript import jobs_text

MANIFEST_TITLE = "Manifest of an evidence pack of torc-watchd"
_MOST_LINES = 10  # of the story
_MOST_GROUPS = 3
_LONGEST = 1000  # characters of a line


def readme_text(report: WorkflowReport, contents: Contents) -> str:
    return "\n".join((*_readme(report, contents), ""))


def _readme(report: WorkflowReport, contents: Contents) -> Iterator[str]:
    number = report.key.workflow_id
    yield f"Evidence of workflow {number}"
    yield f"made by torc-watchd {report.version} at {local_time(report.made.isoformat())}"
    yield ""
    yield "What happened"
    yield from (f"  {printable(line, _LONGEST)}" for line in story(report))
    yield ""
    yield "What is in here"
    yield from (f"  {line}" for line in _files(contents))
    yield ""
    yield "Begin with report.html in a browser, or why.txt; then the logs of the jobs named there."
    yield "Passwords, tokens, keys and values of the environment were replaced by [redacted: ...]."
    yield "They are found by their names and by what they look like: look before you publish this."
    yield "MANIFEST.txt says what was left out, and why."
    yield "torc-watchd watches Torc workflows on Slurm, finds out why jobs failed, recovers them."


def story(report: WorkflowReport) -> list[str]:
    """In ten lines at most."""
    lines = [_heading(report), *sentences(report), *_reasons(report)]
    given = advice(report)
    ends = [f"Next: {given.says}", *given.details[:1]]
    return [*lines[: _MOST_LINES - len(ends)], *ends]


def _heading(report: WorkflowReport) -> str:
    known = report.known
    name = f" ({known.workflow.name}) of {known.workflow.user}" if known else ""
    return f"Workflow {report.key.workflow_id}{name} on {report.key.server}: {standing(report)}."


def _reasons(report: WorkflowReport) -> Iterator[str]:
    for group in report.known.failures[:_MOST_GROUPS] if report.known else ():
        first = group.findings[0].job
        which = f"{jobs_text(len(group.findings))}, such as {first.id} ({first.name})"
        cause = cause_text(group.cause).capitalize()
        yield f"{cause} ({group.confidence}), {which}: {group.reason}"


def _files(contents: Contents) -> Iterator[str]:
    """Those of a folder as one."""
    singles = [file for file in contents.files if "/" not in file.name]
    rows = [(file.name, file.about) for file in singles]
    rows.append(("MANIFEST.txt", "each file with its size, and what was left out"))
    if any(file.name.startswith("rows/") for file in contents.files):
        rows.append(
            ("rows/", "the rows of Torc's server: jobs, results, requirements, allocations")
        )
    if any(file.name.startswith("logs/") for file in contents.files):
        rows.append(("logs/", "beginning and end of what failed jobs, allocations, runners wrote"))
    return table_lines(rows)


def manifest_text(report: WorkflowReport, contents: Contents) -> str:
    return "\n".join((*_manifest(report, contents), ""))


def _manifest(report: WorkflowReport, contents: Contents) -> Iterator[str]:
    yield f"{MANIFEST_TITLE}: workflow {report.key.workflow_id} on {report.key.server}"
    yield ""
    yield f"Files: {len(contents.files)} with {contents.size:,} bytes"
    yield from (f"  {_file(each)}" for each in contents.files)
    yield ""
    yield "Left out" if contents.left_out else "Left out: nothing"
    for each in contents.left_out:
        yield f"  {printable(each.what, _LONGEST)}: {printable(each.why, _LONGEST)}"
    yield ""
    yield f"Redacted: {_counted(contents.redacted.items())}"


def _file(file: PackedFile) -> str:
    note = f" ({file.note})" if file.note else ""
    return f"{file.size:>12,}  {file.name}  {printable(file.about, _LONGEST)}{note}"


def _counted(redacted: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{kind}: {number}" for kind, number in redacted) or "nothing"
