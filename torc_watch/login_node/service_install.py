"""torc-watchd as a service of this person: its files are put in place, enabled, started; and away.

Nothing is written before everything that could refuse has been asked.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from torc_watch.core.errors import ServiceError
from torc_watch.host.subprocesses import CommandResult, RunCommand
from torc_watch.login_node import systemd, unit_file
from torc_watch.login_node.facts import Linger
from torc_watch.login_node.unit_file import Found

Tell = Callable[[str], None]
DROP_INS = f"{unit_file.NAME}.d"
LOCAL, ENVIRONMENT = "local.conf", "environment.conf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A file as it is to be: ``text``, or gone for None. ``found`` is what is there now."""

    path: Path
    text: str | None
    found: Found

    @property
    def is_done(self) -> bool:
        return self.found is (Found.ABSENT if self.text is None else Found.SAME)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitSpec:
    """What is to be installed: ``command`` starts torc-watchd, its first word an absolute path.

    ``version`` is that of torc-watch.

    ``templates`` is the folder with our unit, ``folder`` where the person's units are. ``is_local``
    where jobs are run as processes of this machine. ``settings`` are variables that the service
    is to have; None leaves alone what is there.
    """

    command: Sequence[str]
    version: str
    templates: Path
    folder: Path
    is_local: bool
    settings: dict[str, str] | None = None


def desired_files(service: UnitSpec) -> list[Wanted]:
    template = (service.templates / unit_file.NAME).read_text(encoding="utf-8")
    local = (service.templates / DROP_INS / LOCAL).read_text(encoding="utf-8")
    drop_ins = service.folder / DROP_INS
    files = [
        _wanted(
            service.folder / unit_file.NAME,
            unit_file.rendered(template, service.command, service.version),
        ),
        _wanted(drop_ins / LOCAL, local if service.is_local else None),
    ]
    if service.settings is not None:
        text = unit_file.environment_drop_in(service.settings) if service.settings else None
        files.append(_wanted(drop_ins / ENVIRONMENT, text))
    return files


def _wanted(path: Path, text: str | None) -> Wanted:
    wanted = unit_file.signed(text) if text is not None else None
    found = path.read_text(encoding="utf-8") if path.exists() else None
    return Wanted(path=path, text=wanted, found=unit_file.compare(found, wanted))


def refuse_edited(files: Sequence[Wanted]) -> None:
    """Raises ServiceError for a file that somebody has edited."""
    for file in files:
        if file.found is Found.EDITED:
            raise ServiceError(
                f"{file.path} was edited. --force puts ours in its place and keeps it as "
                f"{_backup(file.path).name}; better move your changes to a drop-in of your own: "
                "systemctl --user edit torc-watchd"
            )


def install_files(files: Sequence[Wanted], tell: Tell) -> bool:
    """Whether anything was changed. Raises ServiceError."""
    changes = [file for file in files if not file.is_done]
    try:
        for file in changes:
            _put(file, tell)
    except OSError as error:
        raise ServiceError(f"{error.filename} cannot be written: {error.strerror}.") from error
    return bool(changes)


def _put(file: Wanted, tell: Tell) -> None:
    if file.found is Found.EDITED:
        file.path.replace(_backup(file.path))
        tell(f"Kept what you edited: {_backup(file.path)}")
    if file.text is None:
        file.path.unlink(missing_ok=True)
        tell(f"Removed {file.path}")
        return
    file.path.parent.mkdir(parents=True, exist_ok=True)
    draft = file.path.with_suffix(".new")
    draft.write_text(file.text, encoding="utf-8")
    draft.replace(file.path)
    tell(f"Wrote {file.path}")


def _backup(path: Path) -> Path:
    return path.with_name(f"{path.name}.bak")


def has_settings(folder: Path, settings: dict[str, str]) -> bool:
    """Whether the service has just these, from an earlier time."""
    text = unit_file.environment_drop_in(settings) if settings else None
    return _wanted(folder / DROP_INS / ENVIRONMENT, text).is_done


async def reload(ask: RunCommand) -> None:
    """Has the manager read the files. Raises ServiceError."""
    await _systemctl(ask, "daemon-reload")


async def start(ask: RunCommand, *, changed: bool, tell: Tell) -> None:
    """Has the manager read the files, and starts what is to run. Raises ServiceError."""
    was_active = (await ask("systemctl", "--user", "is-active", unit_file.NAME)).is_good
    await reload(ask)
    await _systemctl(ask, "enable", unit_file.NAME)
    if was_active and not changed:
        tell("It is installed and runs already; nothing was changed.")
        return
    # Not "start": of a service that waits for its restart that waits as well, for a minute.
    await _systemctl(ask, "restart", unit_file.NAME)
    word = "Restarted" if was_active else "Started"
    tell(f"{word}. How it is: systemctl --user status torc-watchd")


async def _systemctl(ask: RunCommand, *words: str) -> CommandResult:
    answer = await ask("systemctl", "--user", *words)
    if not answer.is_good:
        raise ServiceError(
            f"systemctl --user {' '.join(words)}: {systemd.reason(answer)} "
            "Look at: systemctl --user status torc-watchd"
        )
    return answer


async def enable_linger(ask: RunCommand, user: str, tell: Tell) -> Linger:
    """Turns lingering on where it is off, and says what will happen at logout."""
    if await systemd.lingers(ask, user):
        tell("When you log out it runs on, and it starts at boot: linger is on.")
        return Linger.ON
    answer = await ask("loginctl", "enable-linger")
    if answer.is_good:
        tell("When you log out it runs on, and it starts at boot: linger was turned on.")
        return Linger.ON
    tell(f"When you log out it ends: linger cannot be had ({systemd.reason(answer)})")
    tell("RunCommand the site's support for it, or see which other way fits: torc-watchd doctor")
    return Linger.REFUSED


async def report_log_location(ask: RunCommand, tell: Tell) -> None:
    if await systemd.journal_readable(ask):
        tell("Logs: journalctl --user -u torc-watchd -f, or torc-watchd logs -f")
    else:
        tell("Logs: torc-watchd logs -f (journalctl --user is closed to you here)")


async def uninstall(ask: RunCommand, folder: Path, tell: Tell) -> None:
    """Stops the service and removes its files; edited ones stay as .bak. Raises ServiceError."""
    if (folder / unit_file.NAME).exists():
        await _systemctl(ask, "disable", "--now", unit_file.NAME)
    paths = [folder / unit_file.NAME, *(folder / DROP_INS / name for name in (LOCAL, ENVIRONMENT))]
    files = [_wanted(path, None) for path in paths]
    if not install_files(files, tell):
        tell("There was no service to remove.")
        return
    with suppress(OSError):  # drop-ins of the person's own stay
        (folder / DROP_INS).rmdir()
    await reload(ask)
    tell("What it keeps of your workflows stays, and so does linger (loginctl disable-linger).")
