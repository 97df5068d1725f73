"""Programs that stand in for squeue and sacct: each prints a prepared answer, and notes its call.

The answers have the fields that torc-watch asks for at present. Every hundredth job has ended, and
accounting has not heard of it yet: so each query needs both programs, as the dearest ones do.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from torc_watch.schedulers.slurm.job_table import ACCOUNTING_FORMAT, QUEUE_FORMAT

_ENDED = 100  # one of this many jobs
_PROGRAMS = ("squeue", "sacct", "sbatch", "scancel", "scontrol", "sinfo", "sacctmgr")
_SCRIPT = """\
#!/bin/sh
echo {name} >>{folder}/calls
exec cat {folder}/{name}.answer
"""
_STARTED, _LIMIT = "1795910000", "1795996400"  # seconds since 1970
_QUEUE_HEADINGS = {
    "A": "JOBID",
    "T": "STATE",
    "U": "UID",
    "S": "START_TIME",
    "e": "END_TIME",
    "N": "NODELIST",
    "j": "NAME",
    "r": "REASON",
}


@dataclass(frozen=True, slots=True)
class SlurmStandIn:
    """The programs are in ``folder``."""

    folder: Path

    def know(self, numbers: Sequence[int]) -> None:
        """From now on there are these jobs of the user."""
        (self.folder / "squeue.answer").write_text(_queue(numbers))
        (self.folder / "sacct.answer").write_text(_accounting(numbers))

    def calls(self) -> Counter[str]:
        """How often each program has been called so far."""
        return Counter((self.folder / "calls").read_text().split())


@contextmanager
def stand_in(folder: Path) -> Iterator[SlurmStandIn]:
    """Programs on the PATH of this process, and of those that it starts."""
    folder.mkdir()
    (folder / "calls").touch()
    for name in _PROGRAMS:
        (folder / f"{name}.answer").touch()
        program = folder / name
        program.write_text(_SCRIPT.format(name=name, folder=folder))
        program.chmod(0o755)
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{folder}:{before}"
    try:
        yield SlurmStandIn(folder)
    finally:
        os.environ["PATH"] = before


def _queue(numbers: Sequence[int]) -> str:
    fields = re.findall(r"%\d*([A-Za-z])", QUEUE_FORMAT)
    rows = [_queue_row(number) for number in numbers]
    lines = [_QUEUE_HEADINGS, *rows]
    return "".join("|".join(line[field] for field in fields) + "\n" for line in lines)


def _queue_row(number: int) -> dict[str, str]:
    state = "RUNNING" if number % _ENDED else "COMPLETED"
    times = {"S": _STARTED, "e": _LIMIT}
    return times | {
        "A": str(number),
        "T": state,
        "U": str(os.getuid()),
        "N": f"node{number % 500}",
        "j": f"wf{number}_4711_1",
        "r": "None",
    }


def _accounting(numbers: Sequence[int]) -> str:
    fields = ACCOUNTING_FORMAT.partition("=")[2].split(",")
    lines = ["|".join(fields)]
    for number in numbers:
        if number % _ENDED == 0:
            for step in ("", ".batch", ".0"):
                row = _accounting_row(f"{number}{step}")
                lines.append("|".join(row[field] for field in fields))
    return "\n".join([*lines, ""])


def _accounting_row(number: str) -> dict[str, str]:
    times = {"Start": _STARTED, "End": "Unknown", "ElapsedRaw": "60"}
    return times | {
        "JobIDRaw": number,
        "State": "RUNNING",
        "ExitCode": "0:0",
        "NodeList": "node1",
        "UID": str(os.getuid()),
        "JobName": f"wf{number}_4711_1",
    }
