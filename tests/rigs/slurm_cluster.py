"""A real Slurm cluster on this machine: munge, MariaDB, slurmdbd, slurmctld and a slurmd per node.

It needs root and what scripts/setup-slurm installs. Everything is in one folder, on free ports,
and nothing in /etc is read. All processes, also those of jobs, are in a namespace that ends when
this process ends, however that happens, and the folder is removed after them. Commands of Slurm,
and everything else, reach the cluster from outside: ``environment`` says where it is. Any release
that ``slurm_release`` finds can be started.
"""

import os
import secrets
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGCONT, SIGKILL, Signals
from stat import S_IFCHR
from tempfile import mkdtemp
from typing import Literal

from tests.rigs.slurm_configuration import (
    ACCOUNTS,
    QOS,
    MemoryEnforcement,
    SlurmSite,
    cgroup_configuration,
    gres_configuration,
    slurm_configuration,
    slurmdbd_configuration,
)
from tests.rigs.slurm_namespace import namespace, only_child
from tests.rigs.slurm_release import PATH, release_named

Daemon = Literal["munged", "mariadbd", "slurmdbd", "slurmctld"]

_TIMEOUT = 60.0  # seconds; generous, for busy machines
_PORTS = 20  # slurmctld, slurmdbd, MariaDB, and a slurmd for each of at most 17 nodes
_NULL_DEVICE = 1, 3  # Slurm wants devices for GPUs, and never opens them here
_CGROUPS = Path("/sys/fs/cgroup")

_FOLDERS = (
    *("bin", "etc", "log", "run", "munge", "state", "spool", "work"),
    *("mysql", "mysql-tmp"),
)


@dataclass(slots=True)
class SlurmCluster:
    """A running cluster. ``pid`` is process 1 of its namespace, through which daemons enter it."""

    site: SlurmSite
    pid: int
    _daemons: dict[str, subprocess.Popen[bytes]]  # each nsenter, which ends with its child

    @property
    def folder(self) -> Path:
        return self.site.folder

    @property
    def nodes(self) -> tuple[str, ...]:
        return self.site.nodes

    @property
    def release(self) -> tuple[int, int]:
        """What it does may depend on it: ``cluster.release >= (24, 11)``."""
        return self.site.release.version

    @property
    def memory_enforcement(self) -> MemoryEnforcement:
        """Who kills a job for its memory; without cgroups no job ends as OUT_OF_MEMORY."""
        return self.site.memory_enforcement

    @property
    def environment(self) -> dict[str, str]:
        """What a program needs to find this cluster, beside what else it needs.

        The commands here get nothing else: settings of the user change what Slurm's commands do.
        """
        path = f"{self.site.scripts}:{PATH}"
        return {"SLURM_CONF": str(self.site.configuration), "PATH": path}

    def run(
        self, *words: str | Path, status: int | None = 0, variables: Mapping[str, str] | None = None
    ) -> str:
        """Runs a command and returns its output; ``status`` None accepts any exit status."""
        done = subprocess.run(
            words,
            env={**self.environment, **(variables or {})},
            cwd=self.folder / "work",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT,
        )
        assert status is None or done.returncode == status, done.stdout + done.stderr
        return done.stdout

    def submit(self, script: str, *options: str) -> int:
        """Submits a shell script and returns the job's number."""
        return int(self.run("sbatch", "--parsable", *options, "--wrap", script))

    def queue_state(self, number: int) -> str:
        """State and reason as squeue has them, ``PENDING PartitionDown``; empty if it has none."""
        return self.run("squeue", "-h", "-t", "all", "-j", str(number), "-o", "%T %r").strip()

    def wait_for_queue_state(self, number: int, state: str) -> None:
        """Waits until a job's state, with its reason, begins with ``state``."""
        wait_until(lambda: self.queue_state(number).startswith(state), f"{number} {state}")

    def wait_for_script(self, number: int) -> None:
        """Waits until a job's script has printed: until then, Slurm may lose signals to it.

        A step that squeue lists is not enough: a busy machine starts the script seconds later.
        """
        output = self.folder / "work" / f"slurm-{number}.out"
        wait_until(lambda: output.is_file() and bool(output.read_bytes()), f"output of {number}")

    def wait_for_end(self, number: int) -> list[str]:
        """Waits until accounting knows a job's end. Its and its steps' ``JobID|State|ExitCode``."""
        rows: list[str] = []

        def has_ended() -> bool:
            fields = "JobID,State,ExitCode,End"
            answer = self.run("sacct", "-n", "-P", "-D", "-j", str(number), "-o", fields)
            rows[:] = answer.splitlines()
            return bool(rows) and not any(row.endswith("|Unknown") for row in rows)

        wait_until(has_ended, f"the end of {number} in accounting")
        return [row.rpartition("|")[0] for row in rows]

    def cancel_all(self) -> None:
        """Cancels every job, and waits until its nodes are free."""
        self.run("scancel", "--full", "--state=PENDING")
        self.run("scancel", "--full", "--state=RUNNING")
        wait_until(lambda: not self.run("squeue", "-h"), "no jobs")

    @contextmanager
    def without(self, daemon: Daemon | str, how: Signals = SIGKILL) -> Iterator[None]:
        """A daemon is ended, and started again. ``daemon``: its program, or a slurmd's node."""
        self.send_signal(daemon, how)
        self._daemons[daemon].wait(_TIMEOUT)
        try:
            yield
        finally:
            self.start(daemon)

    def send_signal(self, daemon: Daemon | str, number: Signals) -> None:
        """SIGSTOP and SIGCONT, for example: a daemon that hangs."""
        parent = self._daemons[daemon].pid
        os.kill(only_child(parent), number)
        if number is SIGCONT:  # nsenter stops together with its child
            os.kill(parent, SIGCONT)

    def start(self, daemon: Daemon | str) -> None:
        """Starts a daemon, and waits until it answers."""
        command, is_ready = self._starts[daemon if daemon not in self.nodes else "slurmd"]
        words = [word.replace("%n", daemon) for word in command]
        log = (self.folder / "log" / f"{daemon}.out").open("ab")
        enter = ("nsenter", f"--target={self.pid}", "--pid", "--mount", "--")
        # A stopped nsenter, which does not end with its child, would keep the namespace.
        ends_with_us = ("setpriv", "--pdeathsig=KILL")
        with log:
            self._daemons[daemon] = subprocess.Popen(
                [*ends_with_us, *enter, *words],
                env=self.environment,
                cwd=self.folder / "log",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the tests alone
            )
        try:
            wait_until(lambda: is_ready(daemon), daemon)
        except AssertionError as error:  # the log is removed with the cluster
            raise AssertionError(Path(log.name).read_text()[-3000:]) from error

    @property
    def _starts(self) -> dict[str, tuple[tuple[str, ...], Callable[[str], bool]]]:
        return {
            "munged": (self.site.munged_command, self._munge_answers),
            "mariadbd": (self.site.mariadbd_command, self._database_answers),
            "slurmdbd": (("slurmdbd", "-D"), self._accounting_answers),
            "slurmctld": (("slurmctld", "-D", "-i"), self._controller_answers),
            "slurmd": (("slurmd", "-D", "-N", "%n"), self._node_answers),
        }

    def _munge_answers(self, _daemon: str) -> bool:
        return self._succeeds("munge", "-n", "-S", str(self.site.munge_socket))

    def _database_answers(self, _daemon: str) -> bool:
        return self._succeeds(*self.site.mariadb_command, "-e", "select 1")

    def _accounting_answers(self, _daemon: str) -> bool:
        return self._succeeds("sacctmgr", "-n", "show", "cluster")

    def _controller_answers(self, _daemon: str) -> bool:
        return self._succeeds("scontrol", "ping")

    def _node_answers(self, node: str) -> bool:
        states = self.run("sinfo", "-h", "-N", "-n", node, "-o", "%t", status=None).split()
        return bool(states) and set(states) <= {"idle", "mix", "alloc"}

    def _succeeds(self, *words: str) -> bool:
        # A command that finds its daemon dead repeats for seconds before it says so.
        return not subprocess.run(
            ["timeout", "5", *words],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        ).returncode


@contextmanager
def open_cluster(
    release: str | None = None, *, small_nodes: int = 3, gpus: int = 0
) -> Iterator[SlurmCluster]:
    """A cluster with the partitions, accounts and QOS of ``slurm_configuration``, idle.

    ``release`` is a name such as ``24.11``; None is the machine's own. ``gpus`` are those of a
    further node.
    """
    site = SlurmSite(
        release=release_named(release),
        folder=Path(mkdtemp(prefix="torc-watch-slurm-")),
        port=_free_ports(),
        memory_enforcement=_memory_enforcement(),
        small_nodes=small_nodes,
        gpus=gpus,
    )
    _write_configuration(site)
    daemons: dict[str, subprocess.Popen[bytes]] = {}
    with ExitStack() as stack:
        pid = stack.enter_context(namespace(site))
        stack.callback(_end_all, daemons)
        cluster = SlurmCluster(site=site, pid=pid, _daemons=daemons)
        site.release.write_scripts(site.scripts, pid)
        cluster.run(*site.install_database_command)
        for daemon in ("munged", "mariadbd"):
            cluster.start(daemon)
        cluster.run(*site.mariadb_command, "-e", site.database_grants)
        cluster.start("slurmdbd")
        for words in (("add", "cluster", site.name), *ACCOUNTS, *QOS):
            cluster.run("sacctmgr", "-i", "-Q", *words)
        for daemon in ("slurmctld", *site.nodes):
            cluster.start(daemon)
        yield cluster


def wait_until(condition: Callable[[], bool], what: str, timeout: float = _TIMEOUT) -> None:
    """Polls, because Slurm tells of no change by itself."""
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, f"waited {timeout:g} s for: {what}"
        time.sleep(0.05)


def _end_all(daemons: Mapping[str, subprocess.Popen[bytes]]) -> None:
    """The daemons themselves end with the namespace, which waits for these if they are stopped."""
    for daemon in daemons.values():
        daemon.kill()
        daemon.wait(_TIMEOUT)


def _write_configuration(site: SlurmSite) -> None:
    site.folder.chmod(0o755)  # jobs of other users use the configuration and the socket of munge
    for name in _FOLDERS:
        (site.folder / name).mkdir()
    key = site.folder / "etc/munge.key"
    key.touch(0o600)
    key.write_bytes(secrets.token_bytes(128))
    site.configuration.write_text(slurm_configuration(site))
    private = site.folder / "etc/slurmdbd.conf"
    private.touch(0o600)
    private.write_text(slurmdbd_configuration(site))
    for path in site.gpu_files:
        os.mknod(path, S_IFCHR | 0o600, os.makedev(*_NULL_DEVICE))
    (site.folder / "etc/gres.conf").write_text(gres_configuration(site))
    (site.folder / "etc/cgroup.conf").write_text(cgroup_configuration(site))


def _memory_enforcement() -> MemoryEnforcement:
    """Slurm needs these two controllers of cgroup v1; version 2 would need systemd."""
    groups = (_CGROUPS / "memory", _CGROUPS / "freezer")
    return "cgroup" if all(_is_writable_cgroup(group) for group in groups) else "polling"


def _is_writable_cgroup(group: Path) -> bool:
    probe = group / f"torc-watch-{os.getpid()}"
    try:
        probe.mkdir()
        probe.rmdir()
    except OSError:
        return False
    return True


def _free_ports() -> int:
    """The first of twenty free ports, below those that the kernel gives to connections."""
    for first in range(12000 + os.getpid() % 500 * _PORTS, 32000, _PORTS):
        with ExitStack() as stack:
            try:
                for port in range(first, first + _PORTS):
                    listener = stack.enter_context(socket.socket())
                    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return first
    raise AssertionError("no twenty free ports in a row")
