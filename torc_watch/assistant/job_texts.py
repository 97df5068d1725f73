"""What jobs have written, as much of it as an answer may hold."""

from collections.abc import Sequence

from torc_watch.app.job_logs import LogFile
from torc_watch.assistant.answer_size import sentence
from torc_watch.assistant.job_values import OutputEntry
from torc_watch.host.file_tail import Tail, read_tail
from torc_watch.render.terminal_text import printable_lines

_BUDGET = 6000  # bytes of files, all together
_MARK = "[cut] "


def output_entries(
    files: Sequence[LogFile], lines: int, end: int | None = None
) -> list[OutputEntry]:
    """The last lines of each; with ``end`` those that end there. Each gets its share."""
    share = _BUDGET // max(1, sum(file.size > 0 for file in files))
    return [_row(file, lines, end, share) for file in files]


def _row(file: LogFile, lines: int, end: int | None, most: int) -> OutputEntry:
    trouble, tail = file.trouble, Tail(content=b"", size=file.size, is_cut=False)
    try:
        tail = tail if trouble else read_tail(file.path, lines, end=end, most=most)
    except OSError as error:
        trouble = error.strerror or str(error)
    stop = tail.size if end is None else min(end, tail.size)
    return OutputEntry(
        file=sentence(str(file.path)),
        kind=file.kind,
        size=tail.size,
        begin=None if trouble else stop - len(tail.content),
        untrusted_text=None if trouble else safe_text(tail.content, most),
        trouble=trouble or None,
    )


def safe_text(content: bytes, most: int) -> str:
    """Without control characters; their codes are longer, so that some of it may be cut."""
    text = printable_lines(content.decode(errors="replace").replace("\r\n", "\n"))
    return text if len(text) <= 2 * most else _MARK + text[-2 * most :]


def more_of(rows: Sequence[OutputEntry]) -> str | None:
    """How to get what comes before."""
    cut = [row for row in rows if row.begin]
    if not cut:
        return None
    examples = (f"stream={row.kind!r}, before={row.begin}" for row in cut)
    return f"There is more before these lines: {'; '.join(examples)}"
