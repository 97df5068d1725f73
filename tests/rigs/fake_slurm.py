"""Commands of Slurm that answer as Slurm does, from a folder instead of a cluster.

Nothing that is submitted ever starts. `sbatch` refuses partitions that the file ``refused`` names,
scripts that exclude the node in the file ``needed``, and more jobs than the file ``limit`` says.
Beyond the number in the file ``silence`` it times out, and beyond that in ``hang`` it does not end.
"""

import json
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import Any

PROGRAMS = ("sbatch", "squeue", "sacct", "scontrol", "scancel")
_HEADINGS = {
    "%A": "JOBID",
    "%T": "STATE",
    "%r": "REASON",
    "%j": "NAME",
    "%20j": "NAME",
    "%U": "UID",
    "%S": "START_TIME",
    "%e": "END_TIME",
    "%N": "NODELIST",
}
_SHOWN = {
    "config": "ClusterName = ridge\nKillWait = 30 sec",
    "node": """\
NodeName=n1 CPUTot=4 RealMemory=8000 State=IDLE Partitions=batch
NodeName=n2 CPUTot=4 RealMemory=8000 State=IDLE Partitions=batch
NodeName=n3 CPUTot=8 RealMemory=32000 State=IDLE Partitions=wide""",
    "partition": """\
PartitionName=batch Default=YES MaxTime=1-00:00:00 State=UP OverSubscribe=EXCLUSIVE
PartitionName=wide Default=NO MaxTime=1-00:00:00 State=UP OverSubscribe=EXCLUSIVE""",
    "reservation": "No reservations in the system",
}
_STATES = {
    "held": ("PENDING", "JobHeldUser"),
    "queued": ("PENDING", "Priority"),
    "canceled": ("CANCELLED", "None"),
}
_START = "2031-05-06T07:08:09"
_REFUSED = "allocation failure: Requested node configuration is not available"
_SILENT = "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation"
_FULL = (
    "sbatch: error: AssocMaxSubmitJobLimit\nsbatch: error: Batch job submission failed: Job "
    "violates accounting/QOS policy (job submit limit, user's size and/or time limits)"
)


@dataclass(frozen=True, slots=True)
class FakeSlurm:
    """``bin`` belongs in front of the PATH."""

    folder: Path

    @classmethod
    def install(cls, folder: Path) -> "FakeSlurm":
        fake = cls(folder)
        fake.bin.mkdir(parents=True)
        source = Path(__file__).resolve()
        for name in PROGRAMS:
            path = fake.bin / name
            path.write_text(f'#!/bin/sh\nexec {sys.executable} {source} {folder} {name} "$@"\n')
            path.chmod(0o755)
        return fake

    @property
    def bin(self) -> Path:
        return self.folder / "bin"

    def refuse(self, *partitions: str) -> None:
        (self.folder / "refused").write_text(" ".join(partitions))

    def need(self, node: str) -> None:
        (self.folder / "needed").write_text(node)

    def limit(self, jobs: int) -> None:
        (self.folder / "limit").write_text(str(jobs))

    def fall_silent_after(self, jobs: int) -> None:
        (self.folder / "silence").write_text(str(jobs))

    def hang_after(self, jobs: int) -> None:
        (self.folder / "hang").write_text(str(jobs))

    def end_hanging(self) -> None:
        (self.folder / "hang").unlink()
        os.kill(int((self.folder / "hangs").read_text()), signal.SIGKILL)

    def lift_limit(self) -> None:
        (self.folder / "limit").unlink()

    @property
    def jobs(self) -> list[dict[str, Any]]:
        path = self.folder / "jobs.json"
        jobs: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []
        return jobs

    def end_all(self) -> None:
        """They were canceled before they began."""
        self.keep([job | {"reason": "canceled"} for job in self.jobs])

    def keep(self, jobs: Sequence[dict[str, Any]]) -> None:
        (self.folder / "jobs.json").write_text(json.dumps(jobs))


def sbatch(fake: FakeSlurm, words: Sequence[str]) -> int:
    script = Path(words[-1])
    text = script.read_text() if script.is_file() else " ".join(words)
    refused = fake.folder / "refused"
    partitions = refused.read_text().split() if refused.exists() else []
    needed = fake.folder / "needed"
    lacks_node = needed.exists() and bool(re.search(rf"--exclude=.*{needed.read_text()}", text))
    if lacks_node or any(f"--partition={name}" in text for name in partitions):
        _say(_REFUSED)
        return 1
    if "--test-only" in words:
        _say(f"sbatch: Job 1 to start at {_START} using 1 processors on nodes n1")
        return 0
    jobs = fake.jobs
    for name, message in (("limit", _FULL), ("silence", _SILENT)):
        if _is_reached(fake, name):
            _say(message)
            return 1
    number = 100 + len(jobs)
    fake.keep([*jobs, {"number": number, "name": script.stem, "text": text, "reason": "held"}])
    _print(str(number))
    return 0


def squeue(fake: FakeSlurm, words: Sequence[str]) -> int:
    fields = _option(words, "--format").split("|")
    names = _option(words, "--name")
    _print("|".join(_HEADINGS[field] for field in fields))
    for job in fake.jobs:
        if not names or job["name"] in names.split(","):
            state, reason = _STATES[job["reason"]]
            if state == "CANCELLED" and "--states=all" not in words:
                continue
            values = {
                "%A": str(job["number"]),
                "%T": state,
                "%r": reason,
                "%j": job["name"],
                "%20j": job["name"],
                "%U": _uid(),
            }
            _print("|".join(values.get(field, "N/A") for field in fields))
    return 0


def sacct(_fake: FakeSlurm, _words: Sequence[str]) -> int:
    _say("Slurm accounting storage is disabled")
    return 1


def scontrol(fake: FakeSlurm, words: Sequence[str]) -> int:
    if "show" in words:
        _print(_SHOWN[words[-1]])
        return 0
    if words[0] == "write":
        _print(next(job["text"] for job in fake.jobs if str(job["number"]) == words[2]))
        return 0
    numbers = [int(number) for number in words[-1].split(",")] if words[0] == "release" else []
    fake.keep(
        [job | {"reason": "queued"} if job["number"] in numbers else job for job in fake.jobs]
    )
    return 0


def scancel(fake: FakeSlurm, words: Sequence[str]) -> int:
    fake.keep([job for job in fake.jobs if str(job["number"]) not in words])
    return 0


def _is_reached(fake: FakeSlurm, name: str) -> bool:
    path = fake.folder / name
    return path.exists() and len(fake.jobs) >= int(path.read_text())


def _option(words: Sequence[str], name: str) -> str:
    found = (word.partition("=") for word in words)
    return next((value for option, _, value in found if option == name), "")


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _uid() -> str:
    return str(Path("/proc/self").stat().st_uid)


def main(folder: str, program: str, *words: str) -> int:
    programs: dict[str, Callable[[FakeSlurm, Sequence[str]], int]] = {
        "sbatch": sbatch,
        "squeue": squeue,
        "sacct": sacct,
        "scontrol": scontrol,
        "scancel": scancel,
    }
    fake = FakeSlurm(Path(folder))
    submits = program == "sbatch" and "--test-only" not in words
    with (Path(folder) / "lock").open("w") as lock:  # several may be run at once
        flock(lock, LOCK_EX)
        if not (submits and _is_reached(fake, "hang")):
            return programs[program](fake, words)
    Path(folder, "hangs").write_text(str(os.getpid()))
    while True:
        signal.pause()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
