"""Whether there is room again for what jobs write."""

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from torc_watch.engine.output_reader import OutputReader, Perform
from torc_watch.host.free_room import has_free_room

_MAX_SECONDS = 10.0  # a file system may hang, and then nothing can be written


def _reader() -> Perform:
    return OutputReader(_MAX_SECONDS)


class RoomProbe:
    """Asks in a thread for each output folder; what ``reader`` makes may give up."""

    def __init__(self, reader: Callable[[], Perform] = _reader) -> None:
        self._performs = defaultdict[Path, Perform](reader)  # one that hangs holds up no other

    async def __call__(self, output_dir: Path, submitted_in: str | None) -> bool:
        """In the output folder, and in the one in which the workflow was created.

        A file is written into the output folder, and removed, since a quota shows only then.
        """
        found: list[bool] = []

        def ask() -> None:
            has_room = has_free_room(output_dir, writes=True)
            if submitted_in and "\0" not in submitted_in:
                has_room = has_room and has_free_room(Path(submitted_in), writes=False)
            found.append(has_room)

        await self._performs[output_dir](ask)
        return bool(found) and found[0]
