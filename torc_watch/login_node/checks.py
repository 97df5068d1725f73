"""What is to be said of each thing that was looked at on a login node, and what to do about it."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from torc_watch.core.units import GIB, MIB
from torc_watch.login_node.facts import Folder, Linger, LoginNode, Server

_ROOM = 100 * MIB  # for journal and logs; less is worth a word
_MEMORY = 256 * MIB  # what a daemon with thousands of workflows needs, with a margin
_SLURM = ("sbatch", "squeue", "sacct", "scancel")


class CheckLevel(StrEnum):
    OK = "ok"
    NOTE = "note"  # the daemon runs, with less
    PROBLEM = "problem"  # the daemon cannot run here


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """``advice`` is one sentence of what to do, or empty."""

    subject: str
    level: CheckLevel
    text: str
    advice: str = ""


def findings(node: LoginNode) -> tuple[CheckResult, ...]:
    return (
        *_user_manager(node),
        _logout(node),
        *_folder(node.folder),
        *_ticket(node),
        _server(node.server),
        _slurm(node),
        _cron(node),
        _namespaces(node),
        _memory(node),
        *_daemon(node),
    )


def _ok(subject: str, text: str) -> CheckResult:
    return CheckResult(subject=subject, level=CheckLevel.OK, text=text)


def _note(subject: str, text: str, advice: str = "") -> CheckResult:
    return CheckResult(subject=subject, level=CheckLevel.NOTE, text=text, advice=advice)


def _problem(subject: str, text: str, advice: str) -> CheckResult:
    return CheckResult(subject=subject, level=CheckLevel.PROBLEM, text=text, advice=advice)


def _user_manager(node: LoginNode) -> Iterator[CheckResult]:
    if node.user_manager:
        text = f"systemd --user does not answer: {node.user_manager}"
        yield _note("user manager", text, "The daemon is run another way than as a service.")
        return
    yield _ok("user manager", "systemd --user answers.")
    yield _linger(node)
    yield _journal(node)


def _linger(node: LoginNode) -> CheckResult:
    match node.linger:
        case Linger.ON:
            return _ok("linger", "Services of yours run on after logout, and start at boot.")
        case Linger.OFF:
            advice = "`torc-watchd service install` turns it on; or: loginctl enable-linger"
            return _note("linger", "Services of yours end when you log out.", advice)
        case Linger.REFUSED:
            advice = "Ask the site's support for it, or run it another way."
            return _note("linger", "Services of yours end when you log out: site rule.", advice)


def _logout(node: LoginNode) -> CheckResult:
    if node.kills_at_logout is None:
        return _note("logout", "Whether your processes are killed at logout could not be found.")
    if not node.kills_at_logout:
        return _ok("logout", "Processes that you leave behind are not killed (KillUserProcesses).")
    advice = "A lingering service is the way; nohup and tmux do not help."
    return _note("logout", "All your processes are killed at logout.", advice)


def _journal(node: LoginNode) -> CheckResult:
    if node.journal_readable:
        return _ok("journal", "You can read it: journalctl --user -u torc-watchd")
    return _note("journal", "You cannot read it here.", "Read the log with: torc-watchd logs")


def _folder(folder: Folder) -> Iterator[CheckResult]:
    place = f"{folder.path} ({folder.file_system or 'unknown file system'})"
    if folder.trouble:
        advice = "Put that right, or set TORC_WATCHD_HOME to another folder."
        yield _problem("state folder", f"{place} cannot be used: {folder.trouble}", advice)
        return
    if folder.is_network:
        yield _ok("state folder", f"{place}, on the network: all login nodes share it.")
    else:
        text = f"{place} is local: other login nodes do not see it."
        yield _note("state folder", text, "Run the daemon and its commands on this one.")
    yield _lease(folder)
    if folder.local_locks:
        text = "Locks of files there count on one login node only (mount options)."
        advice = "Give `watch` and `recover` on no other node than the daemon's."
        yield _note("locks", text, advice)
    yield _room(folder)


def _lease(folder: Folder) -> CheckResult:
    if not folder.linking:
        return _ok("lease", "link() works: of several daemons, one acts.")
    advice = "Set TORC_WATCHD_HOME to a folder on a file system with hard links."
    return _problem("lease", f"link() does not work there: {folder.linking}", advice)


def _room(folder: Folder) -> CheckResult:
    text = f"{_size(folder.free)} free for the state folder."
    if folder.free >= _ROOM:
        return _ok("space", text)
    return _note("space", text, "Make room: without it nothing is changed, only watched.")


def _ticket(node: LoginNode) -> Iterator[CheckResult]:
    if node.folder.needs_ticket:
        text = "The state folder is open only to who has a ticket, which a service has not."
        yield _note("ticket", text, "Run it in the foreground under krenew, or move the folder.")
    elif node.ticket is False:
        yield _note("ticket", "Your Kerberos ticket has expired.", "Run: kinit")


def _server(server: Server) -> CheckResult:
    if server.version:
        return _ok("server", f"{server.url} is Torc {server.version}.")
    if server.refused:
        advice = "Set TORC_PASSWORD_FILE, or `password_file` in config.toml."
        return _problem("server", f"{server.url} refuses us: {server.trouble}", advice)
    advice = "The daemon waits for it; if the address is wrong, set TORC_API_URL or `api_url`."
    return _note("server", f"{server.url} does not answer: {server.trouble}", advice)


def _slurm(node: LoginNode) -> CheckResult:
    missing = [program for program in _SLURM if program not in node.programs]
    if len(missing) == len(_SLURM):
        return _note("slurm", "No Slurm commands here: jobs run as processes of this machine.")
    if missing:
        advice = "Add the folder of Slurm's commands to PATH."
        return _note("slurm", f"Missing on the PATH: {', '.join(missing)}.", advice)
    if unseen := sorted(node.unseen & set(_SLURM)):
        advice = "Install the service with: torc-watchd service install --save-environment"
        return _note("slurm", f"A service would not find {', '.join(unseen)}.", advice)
    return _ok("slurm", "sbatch, squeue, sacct and scancel are here.")


def _cron(node: LoginNode) -> CheckResult:
    ways = [
        name for name, is_there in (("cron", node.cron), ("scrontab", node.scrontab)) if is_there
    ]
    if not ways:
        return _ok("cron", "Neither cron nor scrontab is open to you.")
    return _ok("cron", f"Open to you: {' and '.join(ways)}.")


def _namespaces(node: LoginNode) -> CheckResult:
    if node.user_namespaces:
        return _ok("user namespaces", "Allowed: the service can be confined further (userns.conf).")
    return _ok("user namespaces", "Not allowed here; the service does not need them.")


def _memory(node: LoginNode) -> CheckResult:
    if node.memory_cap is None:
        return _ok("memory", "No cap on what your processes use together.")
    text = f"All your processes together may use {_size(node.memory_cap)}."
    if node.memory_cap >= _MEMORY:
        return _ok("memory", text)
    return _note("memory", text, "The daemon needs 90 MiB of that for a thousand workflows.")


def _daemon(node: LoginNode) -> Iterator[CheckResult]:
    if node.daemon:
        yield _ok("daemon", f"One of yours acts already, on {node.daemon}.")


def _size(size: int) -> str:
    return f"{size / GIB:.1f} GiB" if size >= GIB else f"{size // MIB} MiB"
