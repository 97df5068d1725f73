"""What commands and files say, read."""

import errno
import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from torc_watch.daemon.lease import Lease, this_holder
from torc_watch.host.subprocesses import (
    ABSENT,
    SILENT,
    CommandResult,
    RunCommand,
    ask,
    session_environment,
)
from torc_watch.login_node import systemd
from torc_watch.login_node.facts import Linger, LoginNode, Server
from torc_watch.login_node.probes import (
    Place,
    lease_holder_host,
    folder,
    look,
    memory_cap,
    user_namespaces,
)

GONE = CommandResult(status=ABSENT, complaint="it: No such file or directory.")
NO_BUS = "Failed to connect to bus: No medium found"


def answering(answers: Mapping[str, CommandResult]) -> RunCommand:
    """Commands by how they begin; the others are not installed."""

    async def answer(*command: str) -> CommandResult:
        words = " ".join(command)
        return next((said for start, said in answers.items() if words.startswith(start)), GONE)

    return answer


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (CommandResult(status=0, output="PATH=/bin\nA=b=c\nodd"), {"PATH": "/bin", "A": "b=c"}),
        (CommandResult(status=1, complaint=f"{NO_BUS}\nmore"), f"{NO_BUS}."),
        (CommandResult(status=3), "it ended with status 3."),
        (GONE, "it: No such file or directory."),
    ],
)
async def test_the_environment_of_services(answer: CommandResult, expected: object) -> None:
    said = answering({"systemctl --user show-environment": answer})

    assert await systemd.services_environment(said) == expected


@pytest.mark.parametrize(
    ("loginctl", "pkcheck", "expected"),
    [
        (CommandResult(status=0, output="Linger=yes"), GONE, Linger.ON),
        (CommandResult(status=0, output="Linger=no"), CommandResult(status=0), Linger.OFF),
        (CommandResult(status=0, output="Linger=no"), CommandResult(status=1), Linger.REFUSED),
        (CommandResult(status=0, output="Linger=no"), CommandResult(status=2), Linger.REFUSED),
        (CommandResult(status=0, output="Linger=no"), GONE, Linger.OFF),
        (CommandResult(status=1, complaint="User ID 7 is not logged in"), GONE, Linger.OFF),
        (GONE, GONE, Linger.OFF),
    ],
)
async def test_linger(loginctl: CommandResult, pkcheck: CommandResult, expected: Linger) -> None:
    said = answering({"loginctl show-user": loginctl, "pkcheck": pkcheck})

    assert await systemd.linger(said, "nobody-of-this-name") is expected


@pytest.mark.parametrize(
    ("output", "expected"),
    [("KillUserProcesses=yes", True), ("KillUserProcesses=no", False), ("", None)],
)
async def test_what_logout_does(output: str, expected: bool | None) -> None:
    said = answering({"loginctl show-session": CommandResult(status=0, output=output)})

    assert await systemd.kills_at_logout(said) is expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (CommandResult(status=0), True),
        (CommandResult(status=1, complaint="no crontab for ada"), True),
        (CommandResult(status=1, complaint="You (ada) are not allowed to use this program"), False),
        (GONE, False),
    ],
)
async def test_whether_cron_is_open(answer: CommandResult, expected: bool) -> None:
    assert await systemd.cron_open(answering({"crontab -l": answer})) is expected


@pytest.mark.parametrize(
    ("listed", "valid", "expected"),
    [
        (GONE, GONE, None),
        (
            CommandResult(status=1, complaint="No credentials cache found"),
            CommandResult(status=1),
            None,
        ),
        (CommandResult(status=0, output="Ticket cache: …"), CommandResult(status=0), True),
        (CommandResult(status=0, output="Ticket cache: …"), CommandResult(status=1), False),
    ],
)
async def test_tickets(listed: CommandResult, valid: CommandResult, expected: bool | None) -> None:
    said = answering({"klist -s": valid, "klist": listed})

    assert await systemd.has_ticket(said) is expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (CommandResult(status=0, output="-- No entries --"), True),
        (
            CommandResult(status=1, complaint="No journal files were opened due to insufficient"),
            False,
        ),
        (CommandResult(status=0, complaint="Hint: You are currently not seeing messages"), False),
    ],
)
async def test_who_may_read_the_journal(answer: CommandResult, expected: bool) -> None:
    assert await systemd.journal_readable(answering({"journalctl --user": answer})) is expected


async def test_a_command_is_asked_in_plain_english() -> None:
    said = await ask("sh", "-c", 'echo " $LC_ALL "; echo " oh " >&2; exit 3')

    assert said == CommandResult(status=3, output="C", complaint="oh")


async def test_a_command_that_is_not_there() -> None:
    assert (await ask("/nonexistent/command")).status == ABSENT


@pytest.mark.looptime
async def test_a_command_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(*_: object, **__: object) -> None:
        await anyio.sleep_forever()

    monkeypatch.setattr("anyio.run_process", hang)

    assert (await ask("loginctl")).status == SILENT


def test_a_missing_runtime_folder_is_found() -> None:
    runtime = Path(f"/run/user/{os.getuid()}")
    expected = {"XDG_RUNTIME_DIR": str(runtime)} if runtime.is_dir() else {}

    assert session_environment({}) == expected
    assert session_environment({"XDG_RUNTIME_DIR": "/x"}) == {"XDG_RUNTIME_DIR": "/x"}


def test_a_good_folder_is_tried_and_left_as_it_was(tmp_path: Path) -> None:
    found = folder(tmp_path / "state" / "torc-watchd")

    assert (found.trouble, found.linking) == ("", "")
    assert found.file_system
    assert found.free > 0
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_which_nothing_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    assert folder(tmp_path / "file" / "state").trouble == "Not a directory."


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP])
def test_a_folder_without_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refuse)

    assert folder(tmp_path).linking == f"{os.strerror(number)}."


def test_a_link_that_is_a_copy_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", shutil.copyfile)

    assert folder(tmp_path).linking == "the link is a copy."


def test_who_acts_already(tmp_path: Path) -> None:
    assert lease_holder_host(tmp_path) == ""
    lease = Lease(tmp_path / "lease", this_holder())
    lease.acquire(0)

    assert lease_holder_host(tmp_path) == this_holder().host
    lease.release()
    assert lease_holder_host(tmp_path) == ""
    Lease(tmp_path / "lease", replace(this_holder(), started=1)).acquire(0)
    assert lease_holder_host(tmp_path) == ""  # it has ended without a word


@pytest.mark.parametrize(
    ("groups", "caps", "expected"),
    [
        ("0::/user.slice/x", {}, None),
        ("0::/user.slice/x", {"user.slice/memory.max": "max\n"}, None),
        ("0::/user.slice/x", {"user.slice/memory.max": "2048", "user.slice/x/memory.max": "4096"},
         2048),
        ("9:memory:/user.slice\n0::/", {"memory/user.slice/memory.limit_in_bytes": "4096"}, 4096),
        ("9:memory:/", {"memory/memory.limit_in_bytes": "9223372036854771712"}, None),
        ("9:cpu,cpuacct:/user.slice", {"memory/user.slice/memory.limit_in_bytes": "1"}, None),
    ],
)  # fmt: skip
def test_the_least_cap_of_all_groups_counts(
    tmp_path: Path, groups: str, caps: dict[str, str], expected: int | None
) -> None:
    write(tmp_path / "proc/self/cgroup", groups)
    for path, text in caps.items():
        write(tmp_path / "sys/fs/cgroup" / path, text)

    assert memory_cap(tmp_path) == expected


@pytest.mark.parametrize(
    ("limit", "switch", "expected"),
    [("63000", None, True), ("0", None, False), ("63000", "0", False), (None, None, False)],
)
def test_user_namespaces(
    tmp_path: Path, limit: str | None, switch: str | None, expected: bool
) -> None:
    for path, text in (
        ("user/max_user_namespaces", limit),
        ("kernel/unprivileged_userns_clone", switch),
    ):
        if text is not None:
            write(tmp_path / "proc/sys" / path, text)

    assert user_namespaces(tmp_path) is expected


async def test_everything_is_looked_at(tmp_path: Path) -> None:
    def programs(name: str, *there: str) -> str:
        for program in there:
            write(tmp_path / name / program, "#!/bin/sh\n").chmod(0o755)
        return str(tmp_path / name)

    server = Server(url="http://torc", version="1.0.0", trouble="")

    async def ask_server() -> Server:
        return server

    place = Place(
        user="ada",
        home=tmp_path,
        environment={"PATH": programs("mine", "sbatch", "tmux")},
    )
    services = CommandResult(status=0, output=f"PATH={programs('theirs', 'tmux')}")
    node: LoginNode = await look(
        place, answering({"systemctl --user show-environment": services}), ask_server
    )

    assert node.user_manager == ""
    assert sorted(node.programs) == ["sbatch", "tmux"]
    assert sorted(node.unseen) == ["sbatch"]
    assert node.server is server


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path
