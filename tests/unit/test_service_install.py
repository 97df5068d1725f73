"""Installing and removing the service, with a fake systemd."""

import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from torc_watch.cli.service import own_command
from torc_watch.core.errors import ServiceError
from torc_watch.host.package_data import data_folder
from torc_watch.host.subprocesses import CommandResult
from torc_watch.login_node import service_install
from torc_watch.login_node.facts import Linger
from torc_watch.login_node.service_install import UnitSpec
from torc_watch.login_node.unit_file import FileState

GOOD = CommandResult(status=0)
REFUSED = CommandResult(status=1, stderr="Could not enable linger: Access denied")


@dataclass
class Systemd:
    """Records commands; each succeeds, unless ``answers`` has a result for its prefix."""

    answers: dict[str, CommandResult] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)

    async def __call__(self, *command: str) -> CommandResult:
        words = " ".join(command).removeprefix("systemctl --user ")
        self.commands.append(words)
        return next(
            (self.answers[start] for start in self.answers if words.startswith(start)), GOOD
        )


def service(
    folder: Path, *, local: bool = True, settings: dict[str, str] | None = None
) -> UnitSpec:
    return UnitSpec(
        command=("/opt/torc-watchd",),
        version="1.0",
        templates=data_folder("systemd"),
        folder=folder / "units",
        is_local=local,
        settings=settings,
    )


def install(wanted: UnitSpec) -> list[str]:
    lines: list[str] = []
    service_install.install_files(service_install.desired_files(wanted), lines.append)
    return lines


def test_upgrade_changes_the_unit(tmp_path: Path) -> None:
    install(service(tmp_path))

    upgraded = install(replace(service(tmp_path), version="1.1"))

    assert upgraded == [f"Wrote {tmp_path}/units/torc-watchd.service"]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


def test_second_install_writes_nothing(tmp_path: Path) -> None:
    lines = install(service(tmp_path, settings={"TORC_API_URL": "http://torc"}))

    assert len(lines) == 3
    assert names(tmp_path) == {"torc-watchd.service", "local.conf", "environment.conf"}
    assert install(service(tmp_path, settings={"TORC_API_URL": "http://torc"})) == []


def test_environment_is_kept_until_it_is_replaced(tmp_path: Path) -> None:
    settings = {"TORC_API_URL": "http://torc"}
    install(service(tmp_path, settings=settings))
    folder = tmp_path / "units"

    install(service(tmp_path))
    assert service_install.has_environment(folder, settings)
    assert not service_install.has_environment(folder, {"TORC_API_URL": "http://other"})

    install(service(tmp_path, settings={}))
    assert service_install.has_environment(folder, {})


def test_local_drop_in_is_removed_once_slurm_exists(tmp_path: Path) -> None:
    install(service(tmp_path, local=True))

    lines = install(service(tmp_path, local=False))

    assert names(tmp_path) == {"torc-watchd.service"}
    assert [line.split()[0] for line in lines] == ["Removed"]


def test_outdated_file_is_replaced(tmp_path: Path) -> None:
    install(service(tmp_path, local=False))
    newer = UnitSpec(
        command=("/opt/2/torc-watchd",),
        version="1.0",
        templates=data_folder("systemd"),
        folder=tmp_path / "units",
        is_local=False,
    )
    [file, _] = service_install.desired_files(newer)

    assert file.state is FileState.OUTDATED
    service_install.refuse_edited_files([file])
    assert install(newer)
    assert '"/opt/2/torc-watchd" run' in file.path.read_text()


def test_edited_file_is_refused_or_backed_up(tmp_path: Path) -> None:
    install(service(tmp_path, local=False))
    unit = tmp_path / "units/torc-watchd.service"
    unit.write_text("mine")
    files = service_install.desired_files(service(tmp_path, local=False))

    with pytest.raises(ServiceError, match=r"was edited.*--force"):
        service_install.refuse_edited_files(files)
    service_install.install_files(files, print)

    assert unit.with_name("torc-watchd.service.bak").read_text() == "mine"


def test_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "units").write_text("a file")

    with pytest.raises(ServiceError, match="cannot be written"):
        install(service(tmp_path))


@pytest.mark.parametrize(
    ("active", "changed", "commands", "line"),
    [
        (False, True, ["daemon-reload", "enable", "restart"], "Started"),
        (False, False, ["daemon-reload", "enable", "restart"], "Started"),
        (True, True, ["daemon-reload", "enable", "restart"], "Restarted"),
        (True, False, ["daemon-reload", "enable"], "nothing was changed"),
    ],
)
async def test_start_restarts_only_after_changes(
    active: bool, changed: bool, commands: list[str], line: str
) -> None:
    systemd = Systemd({} if active else {"is-active": CommandResult(status=3, stdout="inactive")})
    lines: list[str] = []

    await service_install.start_service(systemd, changed=changed, write_line=lines.append)

    assert [words.split()[0] for words in systemd.commands] == ["is-active", *commands]
    assert line in lines[0]


async def test_service_that_does_not_start_is_an_error() -> None:
    failed = CommandResult(status=1, stderr="Job for torc-watchd.service failed.\nSee more")
    systemd = Systemd({"is-active": CommandResult(status=3), "restart": failed})

    with pytest.raises(ServiceError, match=r"Job for torc-watchd.service failed\. See"):
        await service_install.start_service(systemd, changed=True, write_line=print)


@pytest.mark.parametrize(
    ("answers", "expected", "words"),
    [
        (
            {"loginctl show-user": CommandResult(status=0, stdout="Linger=yes")},
            Linger.ON,
            "linger is on",
        ),
        ({}, Linger.ON, "was enabled"),
        ({"loginctl enable-linger": REFUSED}, Linger.REFUSED, "Access denied"),
    ],
)
async def test_install_enables_linger(
    answers: dict[str, CommandResult], expected: Linger, words: str
) -> None:
    lines: list[str] = []

    found = await service_install.enable_linger(Systemd(answers), "no-such-user", lines.append)

    assert found is expected
    assert words in lines[0]


async def test_uninstall_keeps_the_users_drop_ins(tmp_path: Path) -> None:
    install(service(tmp_path, settings={"A": "b"}))
    (tmp_path / "units/torc-watchd.service.d/mine.conf").write_text("[Service]\n")
    systemd = Systemd()

    await service_install.uninstall(systemd, tmp_path / "units", print)

    assert names(tmp_path) == {"mine.conf"}
    assert systemd.commands == ["disable --now torc-watchd.service", "daemon-reload"]


async def test_uninstall_without_a_service_does_nothing(tmp_path: Path) -> None:
    systemd = Systemd()
    lines: list[str] = []

    await service_install.uninstall(systemd, tmp_path / "units", lines.append)

    assert lines == ["There was no service to remove."]
    assert systemd.commands == []


def test_service_starts_the_program_that_installed_it(tmp_path: Path) -> None:
    script = tmp_path / "torc-watchd"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)

    assert own_command(str(script), sys.executable) == (str(script),)
    assert own_command("/x/torc_watch/__main__.py", "/py") == ("/py", "-P", "-m", "torc_watch")
    assert own_command(str(tmp_path / "gone"), "/py") == ("/py", "-P", "-m", "torc_watch")
