"""The files that take part while one poll leads to a whole round of recovery.

A workflow whose job ran out of memory is watched until its round is over, on the embedded server
and in virtual time. The script counts the files of ``engine``, ``core`` and ``schedulers`` in which
a function runs: a reader who follows the round opens them. It does not count the modules that all
others use, the client of the server, and code for other cases (a dead worker, a hook).
"""

import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import looptime

from tests.conftest import site_in
from torc_watch.core.units import MIB

_PACKAGE = f"{Path(sys.modules['torc_watch'].__path__[0])}/"
_PACKAGES = ("engine/", "core/", "schedulers/")
_SHARED = {f"core/{name}.py" for name in ("errors", "events", "model", "units")}
_OUT_OF_MEMORY = (137, 64 * MIB, 10.0)


def files_of_a_round() -> list[str]:
    """The paths of these files in the package."""
    loop = looptime.new_event_loop()
    try:
        with tempfile.TemporaryDirectory() as folder:
            files = loop.run_until_complete(_recover_once(Path(folder)))
    finally:
        loop.close()
    return sorted(file for file in files - _SHARED if file.startswith(_PACKAGES))


async def _recover_once(folder: Path) -> set[str]:
    async with site_in(folder) as site:
        site.scheduler.endings = {"train": [_OUT_OF_MEMORY]}
        workflow_id = await site.submit(["train"])
        await site.scheduler.rest()
        with _traced() as files:
            await site.watch(workflow_id, once=True)
        return files


@contextmanager
def _traced() -> Iterator[set[str]]:
    """Collects the files of the package in which a function is called."""
    files: set[str] = set()

    def trace(frame: FrameType, event: str, _: object) -> None:
        file = frame.f_code.co_filename
        if event == "call" and file.startswith(_PACKAGE):
            files.add(file.removeprefix(_PACKAGE))

    threading.setprofile(trace)  # for threads that start later
    sys.setprofile(trace)
    try:
        yield files
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
