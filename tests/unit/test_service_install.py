"""The service is put in place and taken away; systemd's commands are a fake's words."""

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
from torc_watch.login_node.unit_file import Found

GOOD = CommandResult(status=0)
REFUSED = CommandResult(status=1, complaint="Could not enable linger: Access denied")


@dataclass
class Systemd:
    """Answers 0 but where told otherwise, by how a command begins; keeps what it was asked."""

    answers: dict[str, CommandResult] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def __call__(self, *command: str) -> CommandResult:
        words = " ".join(command).removeprefix("systemctl --user ")
        self.asked.append(words)
        return next((said for start, said in self.answers.items() if words.startswith(start)), GOOD)


def service(
    folder: Path, *, local: bool = True, settings: dict[str, str] | None = None
) -> UnitSpec:
    return UnitSpec(
        command=("/opt/torc-watchd",),
        version="1.0",
        templates=resource("systemd"),
        folder=folder / "units",
        is_local=local,
        settings=settings,
    )


def install(wanted: UnitSpec) -> list[str]:
    told: list[str] = []
    service_install.install_files(service_install.desired_files(wanted), told.append)
    return told


def test_after_an_upgrade_the_unit_is_another(tmp_path: Path) -> None:
    install(service(tmp_path))

    upgraded = install(replace(service(tmp_path), version="1.1"))

    assert upgraded == [f"Wrote {tmp_path}/units/torc-watchd.service"]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


def test_all_files_are_written_and_then_found_done(tmp_path: Path) -> None:
    told = install(service(tmp_path, settings={"TORC_API_URL": "http://torc"}))

    assert len(told) == 3
    assert names(tmp_path) == {"torc-watchd.service", "local.conf", "environment.conf"}
    assert install(service(tmp_path, settings={"TORC_API_URL": "http://torc"})) == []


def test_what_the_service_was_given_stays_until_it_is_given_something_else(tmp_path: Path) -> None:
    settings = {"TORC_API_URL": "http://torc"}
    install(service(tmp_path, settings=settings))
    folder = tmp_path / "units"

    install(service(tmp_path))
    assert service_install.has_settings(folder, settings)
    assert not service_install.has_settings(folder, {"TORC_API_URL": "http://other"})

    install(service(tmp_path, settings={}))
    assert service_install.has_settings(folder, {})


def test_where_slurm_has_come_jobs_are_no_longer_run_here(tmp_path: Path) -> None:
    install(service(tmp_path, local=True))

    told = install(service(tmp_path, local=False))

    assert names(tmp_path) == {"torc-watchd.service"}
    assert [line.split()[0] for line in told] == ["Removed"]


def test_a_file_of_an_earlier_version_is_renewed(tmp_path: Path) -> None:
    install(service(tmp_path, local=False))
    newer = UnitSpec(
        command=("/opt/2/torc-watchd",),
        version="1.0",
        templates=resource("systemd"),
        folder=tmp_path / "units",
        is_local=False,
    )
    [file, _] = service_install.desired_files(newer)

    assert file.found is Found.OURS
    service_install.refuse_edited([file])
    assert install(newer)
    assert '"/opt/2/torc-watchd" run' in file.path.read_text()


def test_an_edited_file_is_refused_or_kept_beside(tmp_path: Path) -> None:
    install(service(tmp_path, local=False))
    unit = tmp_path / "units/torc-watchd.service"
    unit.write_text("mine")
    files = service_install.desired_files(service(tmp_path, local=False))

    with pytest.raises(ServiceError, match=r"was edited.*--force"):
        service_install.refuse_edited(files)
    service_install.install_files(files, print)

    assert unit.with_name("torc-watchd.service.bak").read_text() == "mine"


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "units").write_text("a file")

    with pytest.raises(ServiceError, match="cannot be written"):
        install(service(tmp_path))


@pytest.mark.parametrize(
    ("active", "changed", "asked", "told"),
    [
        (False, True, ["daemon-reload", "enable", "restart"], "Started"),
        (False, False, ["daemon-reload", "enable", "restart"], "Started"),
        (True, True, ["daemon-reload", "enable", "restart"], "Restarted"),
        (True, False, ["daemon-reload", "enable"], "nothing was changed"),
    ],
)
async def test_what_is_started(active: bool, changed: bool, asked: list[str], told: str) -> None:
    systemd = Systemd({} if active else {"is-active": CommandResult(status=3, output="inactive")})
    lines: list[str] = []

    await service_install.start(systemd, changed=changed, tell=lines.append)

    assert [words.split()[0] for words in systemd.asked] == ["is-active", *asked]
    assert told in lines[0]


async def test_a_service_that_does_not_start_is_an_error() -> None:
    failed = CommandResult(status=1, complaint="Job for torc-watchd.service failed.\nSee more")
    systemd = Systemd({"is-active": CommandResult(status=3), "restart": failed})

    with pytest.raises(ServiceError, match=r"Job for torc-watchd.service failed\. Look at"):
        await service_install.start(systemd, changed=True, tell=print)


@pytest.mark.parametrize(
    ("answers", "expected", "words"),
    [
        (
            {"loginctl show-user": CommandResult(status=0, output="Linger=yes")},
            Linger.ON,
            "linger is on",
        ),
        ({}, Linger.ON, "was turned on"),
        ({"loginctl enable-linger": REFUSED}, Linger.REFUSED, "Access denied"),
    ],
)
async def test_what_happens_at_logout(
    answers: dict[str, CommandResult], expected: Linger, words: str
) -> None:
    lines: list[str] = []

    found = await service_install.enable_linger(Systemd(answers), "no-such-user", lines.append)

    assert found is expected
    assert words in lines[0]


async def test_uninstalling_keeps_what_is_the_person_s(tmp_path: Path) -> None:
    install(service(tmp_path, settings={"A": "b"}))
    (tmp_path / "units/torc-watchd.service.d/mine.conf").write_text("[UnitSpec]\n")
    systemd = Systemd()

    await service_install.uninstall(systemd, tmp_path / "units", print)

    assert names(tmp_path) == {"mine.conf"}
    assert systemd.asked == ["disable --now torc-watchd.service", "daemon-reload"]


async def test_there_may_be_nothing_to_uninstall(tmp_path: Path) -> None:
    systemd = Systemd()
    lines: list[str] = []

    await service_install.uninstall(systemd, tmp_path / "units", lines.append)

    assert lines == ["There was no service to remove."]
    assert systemd.asked == []


def test_the_service_starts_what_was_started(tmp_path: Path) -> None:
    script = tmp_path / "torc-watchd"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)

    assert own_command(str(script), sys.executable) == (str(script),)
    assert own_command("/x/torc_watch/__main__.py", "/py") == ("/py", "-P", "-m", "torc_watch")
    assert own_command(str(tmp_path / "gone"), "/py") == ("/py", "-P", "-m", "torc_watch")
