"""The file of a report. No other file is ever replaced by one."""

from contextlib import suppress
from pathlib import Path

from torc_watch.core.errors import InvalidInput
from torc_watch.core.os_errors import describe_os_error
from torc_watch.core.units import KIB
from torc_watch.host.whole_file import write_whole
from torc_watch.render.report_page.page import is_report

_BEGINNING = 2000  # characters, which have the mark of a report


def default_name(workflow_id: int) -> str:
    """In the current folder."""
    return f"report-{workflow_id}.html"


def refuse_other_files(path: Path) -> None:
    """Raises InvalidInput for a path that is something else than a report, or cannot be one.

    A link stays, and the file to which it leads is written, also where that is not there yet.
    """
    if path.is_dir():
        name = path / "report.html"
        raise InvalidInput(f"{path} is a folder: give a file, such as {name}")
    folder = _end_of_links(path).parent
    if not folder.is_dir():
        raise InvalidInput(f"There is no folder {folder}: make it, or give another file.")
    if path.exists() and not (path.is_file() and is_report(_beginning(path))):
        raise InvalidInput(
            f"{path} is there and is no report: it stays as it is. Give another file, or delete it."
        )


def _end_of_links(path: Path) -> Path:
    if not path.is_symlink():
        return path
    with suppress(OSError, RuntimeError):  # links that lead in a circle are one or the other
        if not (end := path.resolve()).is_symlink():
            return end
    raise InvalidInput(f"{path} is a link that leads nowhere: give another file.")


def _beginning(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(_BEGINNING)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {describe_os_error(error)}") from error


def write_report(path: Path, page: str) -> str:
    """The size of the file, for users. Raises InvalidInput where it cannot be written."""
    try:
        write_whole(path, page)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {describe_os_error(error)}") from error
    return f"{max(1, len(page.encode()) // KIB):,} KiB"
