"""Queries systemd, cron and Kerberos about the current user's permissions."""

import os
from pathlib import Path

from torc_watch.host.subprocesses import NOT_FOUND, CommandResult, RunCommand
from torc_watch.login_node.facts import Linger

_LINGER_FOLDER = Path("/var/lib/systemd/linger")
_CHECK_LINGER_PERMISSION = (
    "pkcheck",
    "--action-id",
    "org.freedesktop.login1.set-self-linger",
    "--process",
)


async def services_environment(run_command: RunCommand) -> dict[str, str] | str:
    """The environment of the user's services, or an error text without a user manager."""
    result = await run_command("systemctl", "--user", "show-environment")
    return parse_environment(result.stdout) if result.succeeded else error_line(result)


def parse_environment(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def error_line(result: CommandResult) -> str:
    """The first line of a failed command's error output, as a sentence."""
    lines = (result.stderr or result.stdout).splitlines()
    return lines[0].rstrip(".") + "." if lines else f"it ended with status {result.status}."


async def linger_state(run_command: RunCommand, user: str) -> Linger:
    """REFUSED only where polkit can be asked for the permission without changing anything."""
    if await is_linger_on(run_command, user):
        return Linger.ON
    allowed = await run_command(*_CHECK_LINGER_PERMISSION, str(os.getpid()))
    # 1: not authorized, 2: authorization needs a password.
    return Linger.REFUSED if allowed.status in {1, 2} else Linger.OFF


async def is_linger_on(run_command: RunCommand, user: str) -> bool:
    result = await run_command("loginctl", "show-user", user, "--property=Linger")
    # loginctl does not know users without a session, as with some kinds of ssh.
    return result.stdout == "Linger=yes" or (_LINGER_FOLDER / user).exists()


async def kills_processes_at_logout(run_command: RunCommand) -> bool | None:
    """logind's KillUserProcesses; None without logind."""
    result = await run_command("loginctl", "show-session", "--property=KillUserProcesses")
    values = {"KillUserProcesses=yes": True, "KillUserProcesses=no": False}
    return values.get(result.stdout)


async def can_read_journal(run_command: RunCommand) -> bool:
    """False for a journal that is kept in memory only: users may not read it."""
    result = await run_command("journalctl", "--user", "--quiet", "--lines=1", "--no-pager")
    return result.succeeded and not result.stderr


async def can_use_cron(run_command: RunCommand) -> bool:
    """Also true if the user is allowed to have a crontab but has none yet."""
    result = await run_command("crontab", "-l")
    return result.succeeded or "no crontab for" in result.stderr


async def can_use_scrontab(run_command: RunCommand) -> bool:
    return (await run_command("scrontab", "-l")).succeeded


async def has_ticket(run_command: RunCommand) -> bool | None:
    """Whether there is a valid Kerberos ticket; None without Kerberos or a ticket cache."""
    listed = await run_command("klist")
    if listed.status == NOT_FOUND or not listed.succeeded:
        return None
    return (await run_command("klist", "-s")).succeeded
