"""Facts about a login node, and the recommended way to run the daemon there."""

from dataclasses import dataclass
from enum import Enum, StrEnum

from torc_watch.core.node_incident import NodeScore


class RunMode(StrEnum):
    SERVICE = "service"
    SCRONTAB = "scrontab"
    CRON = "cron"
    SLURM_JOB = "slurm-job"
    FOREGROUND = "foreground"


class Linger(Enum):
    """Whether a user's services keep running after logout."""

    ON = "on"
    OFF = "off"  # the user may be allowed to enable it
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """The daemon's state folder.

    ``write_error`` says why nothing can be written there, ``link_error`` why link(), which the
    lease needs, does not work, and ``lock_error`` why files cannot be locked; empty if they do.
    ``free`` is in bytes. ``local_locks``: login nodes do not see each other's file locks.
    ``needs_ticket``: access needs a Kerberos ticket or an AFS token. ``open_folders`` are those in
    which others may write.
    """

    path: str
    write_error: str
    link_error: str
    file_system: str
    is_network: bool
    needs_ticket: bool
    free: int
    local_locks: bool = False
    lock_error: str = ""
    open_folders: tuple[str, ...] = ()


class JournalState(Enum):
    """Of the file ``journal.db``."""

    SOUND = "sound"  # or not there yet
    CUT_OFF = "cut off"  # a process was killed while it changed it
    LOCKED = "locked"
    DAMAGED = "damaged"
    UNUSABLE = "unusable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """``version`` is empty on an ``error``; ``is_denied``: the server is up but denies access."""

    url: str
    version: str
    error: str
    is_denied: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmSite:
    """What Slurm answers; the errors are empty where it does, and where there is no Slurm."""

    error: str = ""
    has_accounting: bool = True
    accounting_error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginNode:
    """The results of all probes; None means unknown.

    ``journal`` is the state of journal.db, with the error that says so, or an empty text.
    ``proxies`` say which server is reached through which proxy of the environment.
    ``user_manager_error`` says why systemd --user does not answer; empty if it does. ``programs``
    are the relevant ones on the PATH, ``hidden_programs`` those of them that are not on the PATH of
    services. ``memory_limit`` is in bytes, for all of the user's processes together.
    ``slurm_runner`` is Torc's runner for allocations, or empty. ``has_ticket``: there is a valid
    Kerberos ticket; None without Kerberos. ``active_daemon`` is the host of the daemon that holds
    the lease, or empty. ``bad_nodes`` are compute nodes from which new allocations keep away.
    """

    host: str
    user_manager_error: str
    linger: Linger
    kills_processes_at_logout: bool | None
    can_read_journal: bool
    folder: Folder
    journal: tuple[JournalState, str]
    server: Server
    proxies: tuple[str, ...]
    slurm: SlurmSite
    slurm_runner: str
    programs: frozenset[str]
    hidden_programs: frozenset[str]
    can_use_cron: bool
    can_use_scrontab: bool
    user_namespaces: bool
    memory_limit: int | None
    has_ticket: bool | None
    active_daemon: str
    bad_nodes: tuple[NodeScore, ...] = ()


def recommend_mode(node: LoginNode) -> RunMode:
    """The most robust way first: one that survives logout and needs no attention."""
    if node.folder.needs_ticket:
        return RunMode.FOREGROUND  # only there can a Kerberos ticket be renewed
    if not node.user_manager_error and node.linger is not Linger.REFUSED:
        return RunMode.SERVICE
    # Slurm starts a job on any node, which does not see a folder of this one.
    if node.can_use_scrontab and node.folder.is_network:
        return RunMode.SCRONTAB
    if node.can_use_cron:
        return RunMode.CRON
    if "sbatch" in node.programs and node.folder.is_network:
        return RunMode.SLURM_JOB
    return RunMode.FOREGROUND
