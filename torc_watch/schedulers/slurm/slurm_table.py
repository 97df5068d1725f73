"""Tables as Slurm's commands print them for a format of our own. Pure."""

from collections.abc import Iterator

from torc_watch.core.errors import SchedulerUnreachable

SEPARATOR = "|"


def rows_after(text: str, heading: tuple[str, ...]) -> Iterator[list[str]]:
    """The fields of each row after the heading, of rows that have them all.

    Raises SchedulerUnreachable if there is no heading.
    """
    columns = len(heading)
    rows = lines_after(text, heading=heading, columns=columns)
    yield from (fields for fields in rows if len(fields) == columns)


def lines_after(text: str, *, heading: tuple[str, ...], columns: int) -> Iterator[list[str]]:
    """The lines after the heading, of at most so many fields; the last has all that remains.

    A site's banner, before the heading, is skipped. Raises SchedulerUnreachable if there is none.
    """
    # Not splitlines: names may hold what else ends a line.
    lines = [line.strip() for line in text.split("\n")]
    size = len(heading)
    headings = (
        place for place, line in enumerate(lines) if tuple(line.split(SEPARATOR))[:size] == heading
    )
    place = next(headings, None)
    if place is None:
        raise SchedulerUnreachable(
            f"Slurm's answer has no heading {SEPARATOR.join(heading)!r}, so it may not be "
            "complete. Check whether this site replaces Slurm's commands with programs of its own."
        )
    yield from (line.split(SEPARATOR, columns - 1) for line in lines[place + 1 :])
