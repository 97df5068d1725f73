"""Judges the facts about a login node: one result per subject, with advice."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from torc_watch.core.node_incident import NodeScore
from torc_watch.core.units import GIB, MIB
from torc_watch.login_node.facts import Folder, JournalState, Linger, LoginNode, Server
from torc_watch.render.node_list import node_phrase

_MIN_FREE_SPACE = 100 * MIB  # for journal and logs
_MIN_MEMORY = 256 * MIB  # enough for a daemon with thousands of workflows
_SLURM = ("sbatch", "squeue", "sacct", "scancel", "scontrol", "sinfo")


class CheckLevel(StrEnum):
    OK = "ok"
    NOTE = "note"  # the daemon can run, with a limitation
    PROBLEM = "problem"  # the daemon cannot run here


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """``advice`` is one sentence on what to do, or empty."""

    subject: str
    level: CheckLevel
    text: str
    advice: str = ""


def check_login_node(node: LoginNode) -> tuple[CheckResult, ...]:
    return (
        *_user_manager(node),
        _logout(node),
        *_folder(node.folder),
        *_journal_file(node.journal),
        *_ticket(node),
        _server(node.server),
        *_proxies(node.proxies),
        *_slurm(node),
        *_bad_nodes(node.bad_nodes),
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
    if node.user_manager_error:
        text = f"systemd --user does not answer: {node.user_manager_error}"
        yield _note(
            "user manager", text, "The daemon cannot run as a service here; choose another way."
        )
        return
    yield _ok("user manager", "systemd --user answers.")
    yield _linger(node)
    yield _journal(node)


def _linger(node: LoginNode) -> CheckResult:
    match node.linger:
        case Linger.ON:
            return _ok("linger", "Your services keep running after logout and start at boot.")
        case Linger.OFF:
            advice = "`torc-watchd service install` enables linger; or: loginctl enable-linger"
            return _note("linger", "Your services stop when you log out.", advice)
        case Linger.REFUSED:
            advice = "Ask the site's support to enable it, or run the daemon another way."
            return _note(
                "linger",
                "Your services stop when you log out, and the site does not allow linger.",
                advice,
            )


def _logout(node: LoginNode) -> CheckResult:
    if node.kills_processes_at_logout is None:
        return _note("logout", "Cannot tell whether your processes are killed at logout.")
    if not node.kills_processes_at_logout:
        return _ok("logout", "Your processes are not killed at logout (KillUserProcesses=no).")
    advice = "Use a service with linger; nohup and tmux do not help."
    return _note("logout", "All your processes are killed at logout.", advice)


def _journal(node: LoginNode) -> CheckResult:
    if node.can_read_journal:
        return _ok("journal", "You can read it: journalctl --user -u torc-watchd")
    return _note("journal", "You cannot read it here.", "Read the log with: torc-watchd logs")


def _folder(folder: Folder) -> Iterator[CheckResult]:
    place = f"{folder.path} ({folder.file_system or 'unknown file system'})"
    if folder.write_error:
        advice = "Fix that, or set TORC_WATCHD_HOME to another folder."
        yield _problem("state folder", f"{place} cannot be used: {folder.write_error}", advice)
        return
    if folder.is_network:
        yield _ok("state folder", f"{place} is on a network file system: all login nodes share it.")
    else:
        text = f"{place} is on a local file system: other nodes, and Slurm jobs there, lack it."
        yield _note("state folder", text, "Run the daemon and its commands on this node only.")
    if folder.open_folders:
        text = f"Others may write into {', '.join(folder.open_folders)}."
        advice = f"Run: chmod go-w {shlex.join(folder.open_folders)}"
        yield _note("permissions", text, advice)
    yield _lease(folder)
    if folder.lock_error:
        text = f"Files there cannot be locked: {folder.lock_error}"
        advice = "Set TORC_WATCHD_HOME to a folder on a file system with locks."
        yield _problem("locks", text, advice)
    elif folder.local_locks:
        text = "File locks there work on one login node only (mount options)."
        advice = "Run `watch` and `recover` only on the daemon's node."
        yield _note("locks", text, advice)
    yield _free_space(folder)


def _journal_file(journal: tuple[JournalState, str]) -> Iterator[CheckResult]:
    state, error = journal
    match state:
        case JournalState.CUT_OFF:
            text = "A process was killed while it changed journal.db; commands work."
            yield _note("journal file", text, "The next daemon undoes that change: torc-watchd run")
        case JournalState.LOCKED:
            yield _note("journal file", error, "The daemon waits for it.")
        case JournalState.DAMAGED:
            advice = "Which workflows it had: torc-watchd list. Add them again."
            yield _note("journal file", error, advice)
        case JournalState.UNUSABLE:
            yield _problem("journal file", error, "Fix that, or set TORC_WATCHD_HOME.")
        case JournalState.SOUND:
            pass


def _lease(folder: Folder) -> CheckResult:
    if not folder.link_error:
        return _ok("lease", "link() works: if several daemons run, only one acts.")
    advice = "Set TORC_WATCHD_HOME to a folder on a file system with hard links."
    return _problem("lease", f"link() does not work there: {folder.link_error}", advice)


def _free_space(folder: Folder) -> CheckResult:
    text = f"{_size(folder.free)} free for the state folder."
    if folder.free >= _MIN_FREE_SPACE:
        return _ok("space", text)
    return _note(
        "space", text, "Free some space: when it is full, workflows are watched but not recovered."
    )


def _ticket(node: LoginNode) -> Iterator[CheckResult]:
    if node.folder.needs_ticket:
        text = "Access to the state folder needs a Kerberos ticket, which a service does not have."
        yield _note(
            "ticket", text, "Run the daemon in the foreground under krenew, or move the folder."
        )
    elif node.has_ticket is False:
        yield _note("ticket", "Your Kerberos ticket has expired.", "Run: kinit")


def _server(server: Server) -> CheckResult:
    if server.version:
        return _ok("server", f"{server.url} is Torc {server.version}.")
    if server.is_denied:
        advice = "Set TORC_PASSWORD_FILE, or `password_file` in config.toml."
        return _problem("server", f"{server.url} denies access: {server.error}", advice)
    advice = "The daemon waits for it; if the URL is wrong, set TORC_API_URL or `api_url`."
    return _note("server", f"{server.url} does not answer: {server.error}", advice)


def _proxies(proxies: Sequence[str]) -> Iterator[CheckResult]:
    for each in proxies:
        text = f"From this shell, {each}."
        advice = "A service has other variables: torc-watchd service install --save-environment"
        yield _note("proxy", text, advice)


def _slurm(node: LoginNode) -> Iterator[CheckResult]:
    yield _slurm_commands(node)
    if node.programs.issuperset(_SLURM):
        yield from _slurm_answers(node)


def _slurm_answers(node: LoginNode) -> Iterator[CheckResult]:
    if node.slurm.error:
        text = f"Slurm does not answer squeue: {node.slurm.error}"
        yield _note("slurm", text, "The daemon decides nothing about allocations until it does.")
    if not node.slurm.has_accounting:
        text = "The cluster keeps no accounting: why an allocation ended is known for minutes only."
        yield _note("accounting", text, "Keep the daemon running, so that it sees each end.")
    elif node.slurm.accounting_error:
        text = f"sacct does not answer: {node.slurm.accounting_error}"
        yield _note("accounting", text, "Ended allocations are judged when it does.")
    if node.slurm_runner:
        yield _ok("slurm runner", f"Allocations run {node.slurm_runner}.")
    else:
        text = "torc-slurm-job-runner was not found: allocations run the built-in runner."
        yield _note("slurm runner", text, "Set slurm_runner to use Torc's own.")


def _bad_nodes(scores: Sequence[NodeScore]) -> Iterator[CheckResult]:
    if scores:
        text = f"Kept out of new allocations: {', '.join(map(node_phrase, scores))}."
        yield _note("nodes", text, "What they failed, and how to clear them: torc-watchd nodes")


def _slurm_commands(node: LoginNode) -> CheckResult:
    missing = [program for program in _SLURM if program not in node.programs]
    if len(missing) == len(_SLURM):
        return _note("slurm", "No Slurm commands here: jobs run as processes on this machine.")
    if missing:
        advice = "Add the folder with Slurm's commands to PATH."
        return _note("slurm", f"Missing on the PATH: {', '.join(missing)}.", advice)
    if hidden := sorted(node.hidden_programs & set(_SLURM)):
        advice = "Install the service with: torc-watchd service install --save-environment"
        return _note("slurm", f"A service would not find {', '.join(hidden)}.", advice)
    return _ok("slurm", "Slurm's commands are on the PATH.")


def _cron(node: LoginNode) -> CheckResult:
    ways = [
        name
        for name, is_there in (("cron", node.can_use_cron), ("scrontab", node.can_use_scrontab))
        if is_there
    ]
    if not ways:
        return _note("cron", "You may use neither cron nor scrontab.")
    return _ok("cron", f"You may use {' and '.join(ways)}.")


def _namespaces(node: LoginNode) -> CheckResult:
    if node.user_namespaces:
        return _ok("user namespaces", "Allowed: the service can use more sandboxing (userns.conf).")
    return _ok("user namespaces", "Not allowed here; the service does not need them.")


def _memory(node: LoginNode) -> CheckResult:
    if node.memory_limit is None:
        return _ok("memory", "No limit on the total memory of your processes.")
    text = f"Your processes together may use {_size(node.memory_limit)}."
    if node.memory_limit >= _MIN_MEMORY:
        return _ok("memory", text)
    return _note("memory", text, "The daemon needs 90 MiB of it for a thousand workflows.")


def _daemon(node: LoginNode) -> Iterator[CheckResult]:
    if node.active_daemon:
        yield _ok("daemon", f"Your daemon is already active on {node.active_daemon}.")


def _size(size: int) -> str:
    return f"{size / GIB:.1f} GiB" if size >= GIB else f"{size // MIB} MiB"
