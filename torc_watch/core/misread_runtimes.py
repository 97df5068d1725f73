"""Run times that Torc's server takes, and counts as something else than what they say."""

from collections.abc import Iterable, Iterator

from torc_watch.core.model import Requirements
from torc_watch.core.units import format_duration


def notes_on_run_times(rows: Iterable[Requirements]) -> Iterator[str]:
    """A sentence for each row whose text Torc 1.0 reads only up to its first fraction."""
    for row in rows:
        if row.runtime is not None and row.counted_runtime is not None:
            yield (
                f"Torc's server counts {row.counted_runtime} s as the run time of {row.name!r}, "
                f"because its text has a fraction; {format_duration(row.runtime)} is meant, and "
                "read alike by all."
            )
