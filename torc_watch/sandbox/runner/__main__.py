"""The worker process of a local allocation: ``python -m torc_watch.sandbox.runner <folder>``."""

import os
import signal
import sys
from pathlib import Path

import anyio

from torc_watch.host.unused_modules import hide_unused_modules

hide_unused_modules()  # before the imports that follow, each of which loads httpx or structlog

from torc_watch.sandbox.runner.worker import run_worker  # noqa: E402
from torc_watch.schedulers.local.allocation_folder import AllocationFolder  # noqa: E402
from torc_watch.schedulers.local.worker_settings import PASSWORD_VARIABLE  # noqa: E402


def main(folder: AllocationFolder) -> int:
    # First of all: from here on the allocation counts as started, and is never started again.
    folder.record_worker()
    # Whoever started us may ignore the ends of children; inherited, that would hide our jobs' ends.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    settings = folder.read_order().worker_settings(
        scheduler_id=folder.number, password=os.environ.get(PASSWORD_VARIABLE)
    )
    code = anyio.run(run_worker, settings)
    folder.record_end(code)
    return code


if __name__ == "__main__":
    sys.exit(main(AllocationFolder(Path(sys.argv[1]))))
