"""The Slurm that a cluster runs: the machine's own, or another release that is in a folder.

``scripts/setup-slurm`` fills the folder with a minimal Debian that has the release, whose programs
are in the namespace of a cluster. For programs outside, such as Torc and the tests, the commands of
Slurm are scripts that enter the namespace, which only root may, and become the release's command.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"

_DAEMONS = ("munged", "mariadbd", "slurmdbd", "slurmctld", "slurmd")
_COMMANDS = (
    *("sacct", "sacctmgr", "salloc", "sattach", "sbatch", "sbcast", "scancel", "scontrol", "sdiag"),
    *("sinfo", "sprio", "squeue", "sreport", "srun", "sshare", "sstat", "strigger"),
    *("munge", "mariadb", "mariadb-install-db"),
)
_TOOLS = ("unshare", "nsenter", "setpriv", "mount", "python3")  # jobs of tests use python3
_ADDED_RELEASE = "24.11"
_NO_RELEASE = "none"  # the machine's own Slurm where it has none

# Not in the PID namespace, which would need another process: signals reach the command itself.
_ENTER = """\
#!/bin/sh
exec nsenter --target={pid} --mount --wdns="$PWD" -- {program} "$@"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmRelease:
    """``name`` is what Slurm calls it, ``24.11``. ``root`` is None for the machine's own."""

    name: str
    root: Path | None

    @property
    def version(self) -> tuple[int, int]:
        year, month = self.name.split(".")
        return int(year), int(month)

    def write_scripts(self, scripts: Path, pid: int) -> None:
        """Slurm's commands for the outside. ``pid``: a process in the namespace."""
        for name in _COMMANDS if self.root else ():
            program = shutil.which(name, path=f"{self.root}/usr/bin")
            assert program is not None, f"{self.root} has no {name}; remove it"
            script = scripts / name
            script.write_text(_ENTER.format(pid=pid, program=f"/usr/bin/{name}"))
            script.chmod(0o755)


def default_releases() -> tuple[str, ...]:
    """The releases that tests use if nobody asks for others; they may be missing."""
    return tuple(dict.fromkeys((_own_release() or _NO_RELEASE, _ADDED_RELEASE)))


def is_own(name: str) -> bool:
    return name in {_own_release(), _NO_RELEASE}


def missing_requirement(name: str | None = None) -> str | None:
    """Why no cluster of a release, or of the machine's own, can be started here, or None."""
    if os.geteuid() != 0:
        return "only root can start a Slurm cluster whose processes end with the tests"
    folder = None if name is None or is_own(name) else _folder_of(name)
    programs = _TOOLS if folder else (*_DAEMONS, *_COMMANDS, *_TOOLS)
    missing = [program for program in programs if shutil.which(program, path=PATH) is None]
    if missing:
        return f"missing: {', '.join(missing)}; run scripts/setup-slurm"
    if folder and not folder.is_dir():
        return f"Slurm {name} is not in {folder}; run scripts/setup-slurm {name}"
    return None


def release_named(name: str | None) -> SlurmRelease:
    """A release that is not missing; None is the machine's own."""
    name = name or default_releases()[0]
    return SlurmRelease(name=name, root=None if is_own(name) else _folder_of(name))


def _folder_of(name: str) -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "torc-watch-slurm"
    return Path(os.environ.get("TORC_WATCH_SLURM_HOME") or cache).absolute() / name


@cache
def _own_release() -> str | None:
    """Asks slurmctld, because commands of Slurm want a configuration before they answer."""
    if (program := shutil.which("slurmctld", path=PATH)) is None:
        return None
    answer = subprocess.run([program, "-V"], capture_output=True, text=True, check=True).stdout
    return ".".join(answer.split()[-1].split(".")[:2])  # slurm-wlm 22.05.8
