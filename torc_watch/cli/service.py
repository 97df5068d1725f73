"""service: torc-watchd as a systemd user service."""

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from torc_watch.cli.event_loop import run
from torc_watch.config.settings import load_settings
from torc_watch.core.errors import ServiceError
from torc_watch.host.package_data import data_folder
from torc_watch.host.subprocesses import run_command
from torc_watch.login_node import service_install
from torc_watch.login_node.probes import find_programs
from torc_watch.login_node.service_install import DesiredFile, UnitSpec
from torc_watch.login_node.systemd import services_environment
from torc_watch.login_node.unit_file import missing_settings, secret_names

_PROGRAM = "torc-watchd"

app = typer.Typer(
    help="Run the daemon as a systemd user service. Inspect it, and start and stop it, with: "
    "systemctl --user status|start|stop|restart|reload torc-watchd",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.callback()
def service() -> None:
    pass


@app.command()
def install(
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Print the files and change nothing.")
    ] = False,
    no_start: Annotated[
        bool, typer.Option("--no-start", help="Install the files, but do not start the service.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace files that were edited; keep them as .bak.")
    ] = False,
    save_environment: Annotated[
        bool,
        typer.Option(
            "--save-environment",
            help="Give the service the settings of this shell's environment, without passwords.",
        ),
    ] = False,
) -> None:
    """Install the daemon as a service, start it, and keep it running after logout.

    Run this again after an upgrade: it updates and restarts the service, or does nothing if nothing
    has changed. Put changes of your own into a drop-in, which it keeps: systemctl --user edit
    torc-watchd

    \b
    Examples:
      torc-watchd service install --dry-run
      torc-watchd service install --save-environment
    """
    settings = load_settings()

    async def command() -> None:
        services = await _services_environment()
        unseen = _unseen(services, needs_path=settings.local_runner is not None)
        unit = _unit(services, unseen if save_environment else None)
        files = service_install.desired_files(unit)
        if not force:
            service_install.refuse_edited_files(files)
        if dry_run:
            _show(files)
            return
        await _install(files, settings.user_name(), no_start=no_start)
        is_saved = service_install.has_environment(unit.folder, unseen)
        if is_saved and unseen:
            print(f"The service carries, of this shell's environment: {', '.join(unseen)}.")
        _warn_of_unseen({} if is_saved else unseen)

    run(command)


async def _install(files: Sequence[DesiredFile], user: str, *, no_start: bool) -> None:
    changed = service_install.install_files(files, print)
    if no_start:
        await service_install.reload_units(run_command)
        print("Start it with: systemctl --user enable --now torc-watchd")
    else:
        await service_install.start_service(run_command, changed=changed, write_line=print)
        await service_install.enable_linger(run_command, user, print)
    await service_install.report_log_location(run_command, print)


@app.command()
def uninstall() -> None:
    """Stop the service and remove its files, but keep the state folder.

    \b
    Examples:
      torc-watchd service uninstall
    """

    async def command() -> None:
        services = await _services_environment()
        await service_install.uninstall(run_command, _units_folder(services), print)

    run(command)


def own_command(program: str, python: str) -> tuple[str, ...]:
    """How to start this program: by the script that it was started as, else as a module."""
    found = shutil.which(program)
    if found and Path(found).name == _PROGRAM:
        return (str(Path(found).absolute()),)
    # -P: nothing in the folder where it is started shall be taken for our modules.
    return (python, "-P", "-m", "torc_watch")


async def _services_environment() -> dict[str, str]:
    """Raises ServiceError where there is no service manager for this user."""
    services = await services_environment(run_command)
    if isinstance(services, str):
        raise ServiceError(
            f"systemd --user does not answer here: {services} What else keeps the daemon running, "
            "and which way fits: torc-watchd doctor"
        )
    return services


def _unit(services: Mapping[str, str], settings: dict[str, str] | None) -> UnitSpec:
    return UnitSpec(
        command=own_command(sys.argv[0], sys.executable),
        version=version("torc-watch"),
        templates=data_folder("systemd"),
        folder=_units_folder(services),
        is_local=shutil.which("sbatch") is None,
        settings=settings,
    )


def _units_folder(services: Mapping[str, str]) -> Path:
    """Where the service manager looks, which may have another home than this shell."""
    home = Path(services.get("HOME") or Path.home())
    return Path(services.get("XDG_CONFIG_HOME") or home / ".config") / "systemd/user"


def _unseen(services: Mapping[str, str], *, needs_path: bool) -> dict[str, str]:
    """This shell's settings that a service would not see; PATH only if a program needs it."""
    found = missing_settings(os.environ, services)
    hidden = find_programs(os.environ.get("PATH")) - find_programs(services.get("PATH"))
    if not hidden and not needs_path:
        found.pop("PATH", None)
    return found


def _show(files: Sequence[DesiredFile]) -> None:
    for file in files:
        if file.is_up_to_date:
            print(f"# {file.path}: unchanged")
        elif file.text is None:
            print(f"# {file.path}: to be removed")
        else:
            print(f"# {file.path}\n{file.text}")


def _warn_of_unseen(unseen: Mapping[str, str]) -> None:
    if "TORC_WATCHD_HOME" in unseen:
        print("Commands from this shell would not reach it: it has another TORC_WATCHD_HOME.")
    if unseen:
        print(f"The service does not see, of this shell's environment: {', '.join(unseen)}.")
        print("Write them into config.toml, or: torc-watchd service install --save-environment")
    for name in secret_names(os.environ):
        print(f"{name} holds a password, which is never written into a unit.")
        if name == "TORC_PASSWORD":
            print("Put it into a file of mode 0600, and name that by password_file in config.toml.")
        if name == "TORC_WATCHD_NOTIFY":
            print("Put its URLs into config.toml, of mode 0600, as notify.")
