"""Looks at everything on this login node that a daemon depends on. Changes nothing that stays."""

import os
import shutil
import socket
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import anyio
from anyio import to_thread

from torc_watch.daemon.lease import Lease, this_holder
from torc_watch.host.processes import Liveness, this_space
from torc_watch.host.subprocesses import RunCommand
from torc_watch.login_node import systemd
from torc_watch.login_node.facts import Folder, LoginNode, Server
from torc_watch.login_node.mounts import mount_of, parse_mounts

PROGRAMS = ("sbatch", "squeue", "sacct", "scancel", "scrontab", "crontab", "krenew", "tmux")
_NO_CAP = 2**60  # bytes; the older interface writes a number that no machine reaches


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Whose daemon it is about: the user and the state folder.

    ``root`` is / but in tests: where /proc and /sys are.
    """

    user: str
    home: Path
    environment: Mapping[str, str]
    root: Path = Path("/")


async def look(
    place: Place, ask: RunCommand, ask_server: Callable[[], Awaitable[Server]]
) -> LoginNode:
    """Everything at the same time: what does not answer is not waited for twice."""
    services = await systemd.services_environment(ask)
    found: dict[str, Any] = {}

    async def probe(name: str, value: Awaitable[Any]) -> None:
        found[name] = await value

    async with anyio.create_task_group() as tasks:
        for name, value in _probes(place, ask).items():
            tasks.start_soon(probe, name, value)
        tasks.start_soon(probe, "server", ask_server())
    seen = services.get("PATH") if isinstance(services, dict) else place.environment.get("PATH")
    programs = find_programs(place.environment.get("PATH"))
    return LoginNode(
        host=socket.gethostname(),
        user_manager=services if isinstance(services, str) else "",
        programs=programs,
        unseen=programs - find_programs(seen),
        user_namespaces=user_namespaces(place.root),
        **found,
    )


def _probes(place: Place, ask: RunCommand) -> dict[str, Awaitable[Any]]:
    return {
        "linger": systemd.linger(ask, place.user),
        "kills_at_logout": systemd.kills_at_logout(ask),
        "journal_readable": systemd.journal_readable(ask),
        "cron": systemd.cron_open(ask),
        "scrontab": systemd.scrontab_open(ask),
        "ticket": systemd.has_ticket(ask),
        "folder": to_thread.run_sync(folder, place.home, place.root),
        "daemon": to_thread.run_sync(lease_holder_host, place.home),
        "memory_cap": to_thread.run_sync(memory_cap, place.root),
    }


def find_programs(path: str | None) -> frozenset[str]:
    return frozenset(program for program in PROGRAMS if shutil.which(program, path=path))


def folder(home: Path, root: Path = Path("/")) -> Folder:
    """Tries to write and to link there, in a folder that is removed again."""
    above = _existing(home)
    mounts = parse_mounts((root / "proc/self/mountinfo").read_text(errors="replace"))
    mount = mount_of(Path(os.path.realpath(above)), mounts)
    trouble, linking = _tried(above)
    return Folder(
        path=str(home),
        trouble=trouble,
        linking=linking,
        file_system=mount.file_system if mount else "",
        is_network=mount is not None and mount.is_network,
        needs_ticket=mount is not None and mount.needs_ticket,
        free=_free(above),
        local_locks=mount is not None and mount.locks_are_local,
    )


def _existing(path: Path) -> Path:
    """The path, or the folder above in which it would be made."""
    while not os.path.lexists(path) and path != path.parent:
        path = path.parent
    return path


def _tried(above: Path) -> tuple[str, str]:
    """Why nothing can be written in this folder, and why no link made; empty where it can."""
    try:
        with tempfile.TemporaryDirectory(dir=above, prefix=".torc-watchd-") as trial:
            return _written_and_linked(Path(trial))
    except OSError as error:
        return _words(error), ""


def _written_and_linked(trial: Path) -> tuple[str, str]:
    first = trial / "first"
    with first.open("w") as file:
        file.write("torc-watchd")
        os.fsync(file.fileno())
    try:
        os.link(first, trial / "second")
    except OSError as error:
        return "", _words(error)
    return "", "" if first.stat().st_nlink > 1 else "the link is a copy."


def _free(above: Path) -> int:
    with suppress(OSError):
        return shutil.disk_usage(above).free
    return 0


def lease_holder_host(home: Path) -> str:
    """The host on which a daemon holds the lease of this state folder; empty for none."""
    try:
        holder = Lease(home / "lease", this_holder()).holder()
    except OSError:
        return ""
    if holder is None or holder.liveness(seen_from=this_space()) is Liveness.GONE:
        return ""
    return holder.host


def memory_cap(root: Path) -> int | None:
    """The least that a control group around us lets its processes use together, in bytes."""
    caps = []
    for line in (root / "proc/self/cgroup").read_text().splitlines():
        _, controllers, group = line.split(":", 2)
        for parent in [path := PurePosixPath(group), *path.parents]:
            for file in _cap_files(controllers):
                with suppress(OSError, ValueError):  # a controller that is not here, or "max"
                    caps.append(int((root / file.format(group=str(parent))).read_text()))
    return min((cap for cap in caps if cap < _NO_CAP), default=None)


def _cap_files(controllers: str) -> tuple[str, ...]:
    if not controllers:
        return ("sys/fs/cgroup{group}/memory.max",)
    if "memory" in controllers.split(","):
        return ("sys/fs/cgroup/memory{group}/memory.limit_in_bytes",)
    return ()


def user_namespaces(root: Path) -> bool:
    """Whether ordinary users may make them: by the kernel's limit, and Debian's own switch."""
    limit = _number(root / "proc/sys/user/max_user_namespaces")
    switch = _number(root / "proc/sys/kernel/unprivileged_userns_clone")
    return limit != 0 and switch != 0 and limit is not None


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _words(error: OSError) -> str:
    return f"{(error.strerror or str(error)).rstrip('.')}."
