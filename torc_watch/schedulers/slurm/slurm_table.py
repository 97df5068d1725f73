"""Tables as Slurm's commands print them for a format of our own. Pure."""

from collections.abc import Iterator

from torc_watch.core.errors import SchedulerUnreachable

_SEPARATOR = "|"


def rows_after(text: str, heading: tuple[str, ...]) -> Iterator[list[str]]:
    """The fields of each row after the heading; a site's banner, in other lines, is skipped.

    The last field may hold separators. Raises SchedulerUnreachable if there is no heading.
    """
    last = len(heading) - 1
    lines = [line.strip().split(_SEPARATOR, last) for line in text.splitlines()]
    if list(heading) not in lines:
        raise SchedulerUnreachable(
            f"Slurm's answer has no heading {_SEPARATOR.join(heading)!r}, so it may not be "
            "complete. Check whether this site replaces Slurm's commands with programs of its own."
        )
    first = lines.index(list(heading)) + 1
    yield from (fields for fields in lines[first:] if len(fields) == len(heading))
