"""What systemd does for this person: their service manager, lingering, logout, the journal."""

import os
from pathlib import Path

from torc_watch.host.subprocesses import ABSENT, CommandResult, RunCommand
from torc_watch.login_node.facts import Linger

_LINGERING = Path("/var/lib/systemd/linger")
_MAY_LINGER = ("pkcheck", "--action-id", "org.freedesktop.login1.set-self-linger", "--process")


async def services_environment(ask: RunCommand) -> dict[str, str] | str:
    """The environment that services of this person start with, or why there are none."""
    answer = await ask("systemctl", "--user", "show-environment")
    return parse_environment(answer.output) if answer.is_good else reason(answer)


def parse_environment(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def reason(answer: CommandResult) -> str:
    """The first line of what a command complained of, as a sentence."""
    lines = (answer.complaint or answer.output).splitlines()
    return lines[0].rstrip(".") + "." if lines else f"it ended with status {answer.status}."


async def linger(ask: RunCommand, user: str) -> Linger:
    """Asks whether it may be turned on only where that can be asked without doing it."""
    if await lingers(ask, user):
        return Linger.ON
    allowed = await ask(*_MAY_LINGER, str(os.getpid()))
    # 1: not authorized, 2: a password would be asked for.
    return Linger.REFUSED if allowed.status in {1, 2} else Linger.OFF


async def lingers(ask: RunCommand, user: str) -> bool:
    answer = await ask("loginctl", "show-user", user, "--property=Linger")
    # loginctl knows nobody who is not logged in, as over some kinds of ssh.
    return answer.output == "Linger=yes" or (_LINGERING / user).exists()


async def kills_at_logout(ask: RunCommand) -> bool | None:
    """KillUserProcesses of logind; None where there is no logind to ask."""
    answer = await ask("loginctl", "show-session", "--property=KillUserProcesses")
    words = {"KillUserProcesses=yes": True, "KillUserProcesses=no": False}
    return words.get(answer.output)


async def journal_readable(ask: RunCommand) -> bool:
    """Where the journal is kept in memory only, it is closed to ordinary users."""
    answer = await ask("journalctl", "--user", "--quiet", "--lines=1", "--no-pager")
    return answer.is_good and not answer.complaint


async def cron_open(ask: RunCommand) -> bool:
    """Whether this person may have a crontab: cron says so where there is none yet."""
    answer = await ask("crontab", "-l")
    return answer.is_good or "no crontab for" in answer.complaint


async def scrontab_open(ask: RunCommand) -> bool:
    return (await ask("scrontab", "-l")).is_good


async def has_ticket(ask: RunCommand) -> bool | None:
    """Whether there is a valid Kerberos ticket; None without Kerberos, or where none was ever."""
    listed = await ask("klist")
    if listed.status == ABSENT or not listed.is_good:
        return None
    return (await ask("klist", "-s")).is_good
