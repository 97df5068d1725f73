"""Probes this login node for what the daemon depends on; leaves no changes behind."""

import os
import shutil
import socket
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import anyio
from anyio import to_thread

from torc_watch.core.errors import JournalBusy, JournalCorrupt, JournalError, LocksMissing
from torc_watch.core.node_incident import NodeScore
from torc_watch.daemon.journal_reader import check_readable, is_cut_off, open_journal
from torc_watch.daemon.lease import Lease, this_holder
from torc_watch.daemon.node_history import bad_nodes
from torc_watch.host.file_lock import ensure_locks
from torc_watch.host.private_folder import writable_by_others
from torc_watch.host.processes import Liveness, this_space
from torc_watch.host.subprocesses import RunCommand
from torc_watch.login_node import systemd
from torc_watch.login_node.facts import Folder, JournalState, LoginNode, Server
from torc_watch.login_node.mounts import find_mount, parse_mounts
from torc_watch.login_node.slurm_probe import probe_slurm
from torc_watch.torc.proxies import proxy_for

PROGRAMS = (
    *("sbatch", "squeue", "sacct", "scancel", "scontrol", "sinfo"),
    *("scrontab", "crontab", "krenew", "tmux"),
)
_OUR_FOLDERS = ("", "spool", "spool/incoming", "spool/drafts", "spool/rejected", "lease", "locks")
_NO_LIMIT = 2**60  # bytes; cgroup v1 reports a huge number where there is no limit


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeTarget:
    """The user, the state folder and the URLs of the servers in use.

    With ``excludes_nodes`` new allocations keep away from nodes that fail jobs. ``root`` contains
    /proc and /sys (/, except in tests).
    """

    user: str
    home: Path
    environment: Mapping[str, str]
    slurm_runner: str = ""
    servers: tuple[str, ...] = ()
    root: Path = Path("/")
    excludes_nodes: bool = True


async def probe_login_node(
    target: ProbeTarget, run_command: RunCommand, probe_server: Callable[[], Awaitable[Server]]
) -> LoginNode:
    """Runs all probes concurrently, so that timeouts do not add up."""
    services = await systemd.services_environment(run_command)
    results: dict[str, Any] = {}

    async def probe(name: str, value: Awaitable[Any]) -> None:
        results[name] = await value

    async with anyio.create_task_group() as tasks:
        for name, value in _probes(target, run_command).items():
            tasks.start_soon(probe, name, value)
        tasks.start_soon(probe, "server", probe_server())
    path = target.environment.get("PATH")
    programs = find_programs(path)
    services_path = services.get("PATH") if isinstance(services, dict) else path
    return LoginNode(
        host=socket.gethostname(),
        user_manager_error=services if isinstance(services, str) else "",
        proxies=proxies_in_use(target.servers, target.environment),
        slurm_runner=target.slurm_runner,
        programs=programs,
        hidden_programs=programs - find_programs(services_path),
        user_namespaces=allows_user_namespaces(target.root),
        **results,
    )


def _probes(target: ProbeTarget, run_command: RunCommand) -> dict[str, Awaitable[Any]]:
    return {
        "linger": systemd.linger_state(run_command, target.user),
        "kills_processes_at_logout": systemd.kills_processes_at_logout(run_command),
        "can_read_journal": systemd.can_read_journal(run_command),
        "can_use_cron": systemd.can_use_cron(run_command),
        "can_use_scrontab": systemd.can_use_scrontab(run_command),
        "has_ticket": systemd.has_ticket(run_command),
        "slurm": probe_slurm(run_command, is_there=shutil.which("squeue") is not None),
        "journal": to_thread.run_sync(probe_journal, target.home / "journal.db"),
        "bad_nodes": to_thread.run_sync(probe_bad_nodes, target),
        "folder": to_thread.run_sync(probe_folder, target.home, target.root),
        "active_daemon": to_thread.run_sync(lease_holder_host, target.home),
        "memory_limit": to_thread.run_sync(memory_limit, target.root),
    }


def proxies_in_use(servers: Iterable[str], environment: Mapping[str, str]) -> tuple[str, ...]:
    """A phrase for each server that is not reached directly."""
    found = ((server, proxy_for(server, environment)) for server in dict.fromkeys(servers))
    return tuple(
        f"{server} is reached through {proxy}" for server, proxy in found if proxy is not None
    )


def find_programs(path: str | None) -> frozenset[str]:
    return frozenset(program for program in PROGRAMS if shutil.which(program, path=path))


def probe_folder(home: Path, root: Path = Path("/")) -> Folder:
    """Tries to write and to link there, in a temporary folder."""
    parent = _nearest_existing(home)
    mounts = parse_mounts((root / "proc/self/mountinfo").read_text(errors="replace"))
    mount = find_mount(Path(os.path.realpath(parent)), mounts)
    write_error, link_error, lock_error = _try_writing(parent)
    return Folder(
        path=str(home),
        write_error=write_error,
        link_error=link_error,
        file_system=mount.file_system if mount else "",
        is_network=mount is not None and mount.is_network,
        needs_ticket=mount is not None and mount.needs_ticket,
        free=_free_space(parent),
        local_locks=mount is not None and mount.locks_are_local,
        lock_error=lock_error,
        open_folders=tuple(map(str, writable_by_others(home / name for name in _OUR_FOLDERS))),
    )


def _nearest_existing(path: Path) -> Path:
    """The path itself, or the nearest parent folder that exists."""
    while not os.path.lexists(path) and path != path.parent:
        path = path.parent
    return path


def _try_writing(parent: Path) -> tuple[str, str, str]:
    """Why writing, linking and locking fail in this folder; empty texts if they work."""
    try:
        with tempfile.TemporaryDirectory(dir=parent, prefix=".torc-watchd-") as temporary:
            return "", _try_linking(Path(temporary)), _try_locking(Path(temporary))
    except OSError as error:
        return _sentence(error), "", ""


def _try_locking(folder: Path) -> str:
    """Raises OSError when the file to be locked cannot be made."""
    try:
        ensure_locks(folder)
    except LocksMissing as error:
        return _sentence(error)
    return ""


def probe_journal(path: Path) -> tuple[JournalState, str]:
    """Reads the whole file, and changes nothing."""
    try:
        with open_journal(path) as database:
            if database is None:
                return JournalState.SOUND, ""
            check_readable(database, path)
            return (JournalState.CUT_OFF if is_cut_off(path) else JournalState.SOUND), ""
    except JournalCorrupt as error:
        return JournalState.DAMAGED, str(error)
    except JournalBusy as error:
        return JournalState.LOCKED, str(error)
    except JournalError as error:
        return JournalState.UNUSABLE, str(error)


def probe_bad_nodes(target: ProbeTarget) -> tuple[NodeScore, ...]:
    return bad_nodes(target.home) if target.excludes_nodes else ()


def _try_linking(folder: Path) -> str:
    """Raises OSError when the file to be linked cannot be written."""
    first = folder / "first"
    with first.open("w") as file:
        file.write("torc-watchd")
        os.fsync(file.fileno())
    try:
        os.link(first, folder / "second")
    except OSError as error:
        return _sentence(error)
    return "" if first.stat().st_nlink > 1 else "the link is a copy."


def _free_space(folder: Path) -> int:
    with suppress(OSError):
        return shutil.disk_usage(folder).free
    return 0


def lease_holder_host(home: Path) -> str:
    """The host of the daemon that holds the lease of this state folder; empty if there is none."""
    try:
        holder = Lease(home / "lease", this_holder()).holder()
    except OSError:
        return ""
    if holder is None or holder.liveness(seen_from=this_space()) is Liveness.GONE:
        return ""
    return holder.host


def memory_limit(root: Path) -> int | None:
    """The lowest memory limit of this process's control groups, in bytes; None without one."""
    limits = []
    for line in (root / "proc/self/cgroup").read_text().splitlines():
        _, controllers, group = line.split(":", 2)
        for parent in [path := PurePosixPath(group), *path.parents]:
            for file in _limit_files(controllers):
                # The controller does not exist, or the value is "max".
                with suppress(OSError, ValueError):
                    limits.append(int((root / file.format(group=str(parent))).read_text()))
    return min((limit for limit in limits if limit < _NO_LIMIT), default=None)


def _limit_files(controllers: str) -> tuple[str, ...]:
    if not controllers:
        return ("sys/fs/cgroup{group}/memory.max",)
    if "memory" in controllers.split(","):
        return ("sys/fs/cgroup/memory{group}/memory.limit_in_bytes",)
    return ()


def allows_user_namespaces(root: Path) -> bool:
    """Whether unprivileged users may create them: the kernel's limit, and Debian's own switch."""
    limit = _read_number(root / "proc/sys/user/max_user_namespaces")
    switch = _read_number(root / "proc/sys/kernel/unprivileged_userns_clone")
    return limit != 0 and switch != 0 and limit is not None


def _read_number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _sentence(error: OSError) -> str:
    return f"{(error.strerror or str(error)).rstrip('.')}."
