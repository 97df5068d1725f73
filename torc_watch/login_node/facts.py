"""What a login node offers to a daemon, and which way of running one fits there."""

from dataclasses import dataclass
from enum import Enum, StrEnum


class Mode(StrEnum):
    SERVICE = "service"
    SCRONTAB = "scrontab"
    CRON = "cron"
    SLURM_JOB = "slurm-job"
    FOREGROUND = "foreground"


class Linger(Enum):
    """Whether a person's services run on when the person has logged out."""

    ON = "on"
    OFF = "off"  # and may be turned on, as far as is known
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """The folder that keeps the daemon's state.

    ``trouble`` says why nothing can be written there and is empty where it can; ``linking`` the
    same of link(), by which daemons on several nodes agree. ``free`` is in bytes.
    ``local_locks``: login nodes do not see each other's locks of files there.
    ``needs_ticket``: it can be read only with a Kerberos ticket or an AFS token.
    """

    path: str
    trouble: str
    linking: str
    file_system: str
    is_network: bool
    needs_ticket: bool
    free: int
    local_locks: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """``version`` is empty where it gave none; ``refused``: it answers, but not to us."""

    url: str
    version: str
    trouble: str
    refused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginNode:
    """What the probes found. None is what they could not find out.

    ``user_manager`` says why systemd --user does not answer, and is empty where it does.
    ``programs`` are those of interest that are on the PATH, ``unseen`` those of them that are not
    on the PATH of services. ``cron`` and ``scrontab``: this person may have entries there.
    ``memory_cap`` is in bytes for all of a person's processes here. ``ticket``: there is a valid
    one; None without Kerberos. ``daemon`` is the host on which a daemon acts already, or empty.
    """

    host: str
    user_manager: str
    linger: Linger
    kills_at_logout: bool | None
    journal_readable: bool
    folder: Folder
    server: Server
    programs: frozenset[str]
    unseen: frozenset[str]
    cron: bool
    scrontab: bool
    user_namespaces: bool
    memory_cap: int | None
    ticket: bool | None
    daemon: str


def advise(node: LoginNode) -> Mode:
    """The first that goes on after logout and needs the least care."""
    if node.folder.needs_ticket:
        return Mode.FOREGROUND  # none of the others has a ticket, or can renew one
    if not node.user_manager and node.linger is not Linger.REFUSED:
        return Mode.SERVICE
    if node.scrontab:
        return Mode.SCRONTAB
    if node.cron:
        return Mode.CRON
    if "sbatch" in node.programs:
        return Mode.SLURM_JOB
    return Mode.FOREGROUND
