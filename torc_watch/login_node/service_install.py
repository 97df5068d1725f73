"""Installs, starts and removes the systemd user service.

All checks that can fail run before the first file is written.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from torc_watch.core.errors import ServiceError
from torc_watch.host.subprocesses import CommandResult, RunCommand
from torc_watch.login_node import systemd, unit_file
from torc_watch.login_node.facts import Linger
from torc_watch.login_node.unit_file import FileState

WriteLine = Callable[[str], None]
DROP_INS = f"{unit_file.NAME}.d"
LOCAL, ENVIRONMENT = "local.conf", "environment.conf"


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredFile:
    """A file to install, or to remove if ``text`` is None; ``state`` is the present file's."""

    path: Path
    text: str | None
    state: FileState

    @property
    def is_up_to_date(self) -> bool:
        return self.state is (FileState.ABSENT if self.text is None else FileState.CURRENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitSpec:
    """The service to install. ``command`` starts torc-watchd; its first word is an absolute path.

    ``version`` is torc-watch's. ``templates`` is the folder with the unit template, ``folder`` the
    folder of the user's units. ``is_local``: jobs run as processes on this machine. ``settings``
    are environment variables for the service; None keeps the installed ones.
    """

    command: Sequence[str]
    version: str
    templates: Path
    folder: Path
    is_local: bool
    settings: dict[str, str] | None = None


def desired_files(service: UnitSpec) -> list[DesiredFile]:
    template = (service.templates / unit_file.NAME).read_text(encoding="utf-8")
    local = (service.templates / DROP_INS / LOCAL).read_text(encoding="utf-8")
    drop_ins = service.folder / DROP_INS
    files = [
        _desired_file(
            service.folder / unit_file.NAME,
            unit_file.render_unit(template, service.command, service.version),
        ),
        _desired_file(drop_ins / LOCAL, local if service.is_local else None),
    ]
    if service.settings is not None:
        text = unit_file.environment_drop_in(service.settings) if service.settings else None
        files.append(_desired_file(drop_ins / ENVIRONMENT, text))
    return files


def _desired_file(path: Path, text: str | None) -> DesiredFile:
    desired = unit_file.sign(text) if text is not None else None
    found = path.read_text(encoding="utf-8") if path.exists() else None
    return DesiredFile(path=path, text=desired, state=unit_file.compare(found, desired))


def refuse_edited_files(files: Sequence[DesiredFile]) -> None:
    """Raises ServiceError if the user has edited one of the files."""
    for file in files:
        if file.state is FileState.EDITED:
            raise ServiceError(
                f"{file.path} was edited. --force replaces it and keeps your version as "
                f"{_backup(file.path).name}; better move your changes to a drop-in of your own: "
                "systemctl --user edit torc-watchd"
            )


def install_files(files: Sequence[DesiredFile], write_line: WriteLine) -> bool:
    """Writes and removes files; true if anything was changed. Raises ServiceError."""
    changes = [file for file in files if not file.is_up_to_date]
    try:
        for file in changes:
            _install_file(file, write_line)
    except OSError as error:
        raise ServiceError(f"{error.filename} cannot be written: {error.strerror}.") from error
    return bool(changes)


def _install_file(file: DesiredFile, write_line: WriteLine) -> None:
    if file.state is FileState.EDITED:
        file.path.replace(_backup(file.path))
        write_line(f"Kept your edited version: {_backup(file.path)}")
    if file.text is None:
        file.path.unlink(missing_ok=True)
        write_line(f"Removed {file.path}")
        return
    file.path.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.path.with_suffix(".new")
    temporary.write_text(file.text, encoding="utf-8")
    temporary.replace(file.path)
    write_line(f"Wrote {file.path}")


def _backup(path: Path) -> Path:
    return path.with_name(f"{path.name}.bak")


def has_environment(folder: Path, settings: dict[str, str]) -> bool:
    """Whether exactly these settings are installed already."""
    text = unit_file.environment_drop_in(settings) if settings else None
    return _desired_file(folder / DROP_INS / ENVIRONMENT, text).is_up_to_date


async def reload_units(run_command: RunCommand) -> None:
    """Makes systemd read the unit files. Raises ServiceError."""
    await _systemctl(run_command, "daemon-reload")


async def start_service(run_command: RunCommand, *, changed: bool, write_line: WriteLine) -> None:
    """Enables the service and starts or restarts it if needed. Raises ServiceError."""
    was_active = (await run_command("systemctl", "--user", "is-active", unit_file.NAME)).succeeded
    await reload_units(run_command)
    await _systemctl(run_command, "enable", unit_file.NAME)
    if was_active and not changed:
        write_line("The service is already installed and running; nothing was changed.")
        return
    # Not "start": while systemd waits to restart a failed service, "start" waits too, a minute.
    await _systemctl(run_command, "restart", unit_file.NAME)
    word = "Restarted" if was_active else "Started"
    write_line(f"{word} the service. Its state: systemctl --user status torc-watchd")


async def _systemctl(run_command: RunCommand, *words: str) -> CommandResult:
    result = await run_command("systemctl", "--user", *words)
    if not result.succeeded:
        raise ServiceError(
            f"systemctl --user {' '.join(words)}: {systemd.error_line(result)} "
            "See: systemctl --user status torc-watchd"
        )
    return result


async def enable_linger(run_command: RunCommand, user: str, write_line: WriteLine) -> Linger:
    """Enables linger unless it is on, and reports what happens at logout."""
    if await systemd.is_linger_on(run_command, user):
        write_line("The service keeps running after logout and starts at boot: linger is on.")
        return Linger.ON
    result = await run_command("loginctl", "enable-linger")
    if result.succeeded:
        write_line("The service keeps running after logout and starts at boot: linger was enabled.")
        return Linger.ON
    write_line(
        f"The service stops when you log out: enabling linger failed ({systemd.error_line(result)})"
    )
    write_line(
        "Ask the site's support to enable it, or see which other way fits: torc-watchd doctor"
    )
    return Linger.REFUSED


async def report_log_location(run_command: RunCommand, write_line: WriteLine) -> None:
    if await systemd.can_read_journal(run_command):
        write_line("Logs: journalctl --user -u torc-watchd -f, or torc-watchd logs -f")
    else:
        write_line("Logs: torc-watchd logs -f (you cannot read journalctl --user here)")


async def uninstall(run_command: RunCommand, folder: Path, write_line: WriteLine) -> None:
    """Stops the service and removes its files; keeps edited ones as .bak. Raises ServiceError."""
    if (folder / unit_file.NAME).exists():
        await _systemctl(run_command, "disable", "--now", unit_file.NAME)
    paths = [folder / unit_file.NAME, *(folder / DROP_INS / name for name in (LOCAL, ENVIRONMENT))]
    files = [_desired_file(path, None) for path in paths]
    if not install_files(files, write_line):
        write_line("There was no service to remove.")
        return
    with suppress(OSError):  # keep the user's own drop-ins
        (folder / DROP_INS).rmdir()
    await reload_units(run_command)
    write_line("Workflow data is kept, and linger stays enabled (loginctl disable-linger).")
