"""Probes of a login node, from command output and files."""

import errno
import fcntl
import os
import shutil
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from tests.rigs.hot_journal import cut_off_a_write
from torc_watch.daemon.lease import Lease, this_holder
from torc_watch.engine.journal import Journal
from torc_watch.host.subprocesses import (
    NOT_FOUND,
    TIMED_OUT,
    CommandResult,
    RunCommand,
    run_command,
    session_environment,
)
from torc_watch.login_node import systemd
from torc_watch.login_node.facts import JournalState, Linger, LoginNode, Server
from torc_watch.login_node.probes import (
    ProbeTarget,
    allows_user_namespaces,
    lease_holder_host,
    memory_limit,
    probe_folder,
    probe_journal,
    probe_login_node,
    proxies_in_use,
)

GONE = CommandResult(status=NOT_FOUND, stderr="it: No such file or directory.")
NO_BUS = "Failed to connect to bus: No medium found"


def answering(answers: Mapping[str, CommandResult]) -> RunCommand:
    """Runs no command: returns the result for the first matching prefix of the command line."""

    async def answer(*command: str) -> CommandResult:
        words = " ".join(command)
        return next((answers[start] for start in answers if words.startswith(start)), GONE)

    return answer


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (CommandResult(status=0, stdout="PATH=/bin\nA=b=c\nodd"), {"PATH": "/bin", "A": "b=c"}),
        (CommandResult(status=1, stderr=f"{NO_BUS}\nmore"), f"{NO_BUS}."),
        (CommandResult(status=3), "it ended with status 3."),
        (GONE, "it: No such file or directory."),
    ],
)
async def test_environment_of_services_is_parsed(answer: CommandResult, expected: object) -> None:
    run = answering({"systemctl --user show-environment": answer})

    assert await systemd.services_environment(run) == expected


@pytest.mark.parametrize(
    ("loginctl", "pkcheck", "expected"),
    [
        (CommandResult(status=0, stdout="Linger=yes"), GONE, Linger.ON),
        (CommandResult(status=0, stdout="Linger=no"), CommandResult(status=0), Linger.OFF),
        (CommandResult(status=0, stdout="Linger=no"), CommandResult(status=1), Linger.REFUSED),
        (CommandResult(status=0, stdout="Linger=no"), CommandResult(status=2), Linger.REFUSED),
        (CommandResult(status=0, stdout="Linger=no"), GONE, Linger.OFF),
        (CommandResult(status=1, stderr="User ID 7 is not logged in"), GONE, Linger.OFF),
        (GONE, GONE, Linger.OFF),
    ],
)
async def test_linger_state_is_detected(
    loginctl: CommandResult, pkcheck: CommandResult, expected: Linger
) -> None:
    run = answering({"loginctl show-user": loginctl, "pkcheck": pkcheck})

    assert await systemd.linger_state(run, "unknown-user") is expected


@pytest.mark.parametrize(
    ("output", "expected"),
    [("KillUserProcesses=yes", True), ("KillUserProcesses=no", False), ("", None)],
)
async def test_kill_of_processes_at_logout_is_detected(output: str, expected: bool | None) -> None:
    run = answering({"loginctl show-session": CommandResult(status=0, stdout=output)})

    assert await systemd.kills_processes_at_logout(run) is expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (CommandResult(status=0), True),
        (CommandResult(status=1, stderr="no crontab for ada"), True),
        (CommandResult(status=1, stderr="You (ada) are not allowed to use this program"), False),
        (GONE, False),
    ],
)
async def test_permission_to_use_cron_is_detected(answer: CommandResult, expected: bool) -> None:
    assert await systemd.can_use_cron(answering({"crontab -l": answer})) is expected


@pytest.mark.parametrize(
    ("listed", "valid", "expected"),
    [
        (GONE, GONE, None),
        (
            CommandResult(status=1, stderr="No credentials cache found"),
            CommandResult(status=1),
            None,
        ),
        (CommandResult(status=0, stdout="Ticket cache: …"), CommandResult(status=0), True),
        (CommandResult(status=0, stdout="Ticket cache: …"), CommandResult(status=1), False),
    ],
)
async def test_kerberos_ticket_is_detected(
    listed: CommandResult, valid: CommandResult, expected: bool | None
) -> None:
    run = answering({"klist -s": valid, "klist": listed})

    assert await systemd.has_ticket(run) is expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (CommandResult(status=0, stdout="-- No entries --"), True),
        (
            CommandResult(status=1, stderr="No journal files were opened due to insufficient"),
            False,
        ),
        (CommandResult(status=0, stderr="Hint: You are currently not seeing messages"), False),
    ],
)
async def test_permission_to_read_the_journal_is_detected(
    answer: CommandResult, expected: bool
) -> None:
    assert await systemd.can_read_journal(answering({"journalctl --user": answer})) is expected


async def test_command_runs_in_the_c_locale() -> None:
    result = await run_command("sh", "-c", 'echo " $LC_ALL "; echo " oh " >&2; exit 3')

    assert result == CommandResult(status=3, stdout="C", stderr="oh")


async def test_missing_command_is_reported() -> None:
    assert (await run_command("/nonexistent/command")).status == NOT_FOUND


@pytest.mark.looptime
async def test_hanging_command_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(*_: object, **__: object) -> None:
        await anyio.sleep_forever()

    monkeypatch.setattr("anyio.run_process", hang)

    assert (await run_command("loginctl")).status == TIMED_OUT


def test_session_environment_adds_the_runtime_folder() -> None:
    runtime = Path(f"/run/user/{os.getuid()}")
    expected = {"XDG_RUNTIME_DIR": str(runtime)} if runtime.is_dir() else {}

    assert session_environment({}) == expected
    assert session_environment({"XDG_RUNTIME_DIR": "/x"}) == {"XDG_RUNTIME_DIR": "/x"}


def test_probing_a_writable_folder_leaves_nothing_behind(tmp_path: Path) -> None:
    found = probe_folder(tmp_path / "state" / "torc-watchd")

    assert (found.write_error, found.link_error) == ("", "")
    assert found.file_system
    assert found.free > 0
    assert list(tmp_path.iterdir()) == []


def test_folder_that_cannot_be_created_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    assert probe_folder(tmp_path / "file" / "state").write_error == "Not a directory."


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP])
def test_folder_without_hard_links_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refuse)

    assert probe_folder(tmp_path).link_error == f"{os.strerror(number)}."


def test_link_that_is_a_copy_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", shutil.copyfile)

    assert probe_folder(tmp_path).link_error == "the link is a copy."


@pytest.mark.parametrize("call", ["flock", "lockf"])
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_folder_without_locks_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, call, refuse)

    assert probe_folder(tmp_path / "state").lock_error == f"{os.strerror(number)}."
    assert list(tmp_path.iterdir()) == []


def test_folders_in_which_others_may_write_are_reported(tmp_path: Path) -> None:
    for name, mode in (("spool", 0o2775), ("lease", 0o700), ("locks", 0o702)):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(mode)

    found = probe_folder(tmp_path).open_folders
    assert found == (str(tmp_path / "spool"), str(tmp_path / "locks"))


def test_proxies_that_apply_to_servers_are_listed_once_and_without_password() -> None:
    environment = {
        "http_proxy": "http://ada:secret@proxy:3128",
        "https_proxy": "http://other:3128",
        "no_proxy": "near.example.org",
    }
    servers = ("http://far:8080/torc", "http://near.example.org:8080", "http://localhost:8080")

    assert proxies_in_use((*servers, servers[0]), environment) == (
        "http://far:8080/torc is reached through the proxy http://proxy:3128 (variable http_proxy)",
    )


def _damage(home: Path) -> None:
    text = bytearray((home / "journal.db").read_bytes())
    text[4096:] = b"\xff" * (len(text) - 4096)
    (home / "journal.db").write_bytes(text)


def _make_newer(home: Path) -> None:
    with closing(sqlite3.connect(home / "journal.db")) as database:
        database.execute("PRAGMA user_version = 99")


@pytest.mark.parametrize(
    ("change", "state", "words"),
    [
        (lambda _: None, JournalState.SOUND, ""),
        (lambda home: (home / "journal.db").unlink(), JournalState.SOUND, ""),
        (cut_off_a_write, JournalState.CUT_OFF, ""),
        (_damage, JournalState.DAMAGED, "journal.db is damaged: "),
        (_make_newer, JournalState.UNUSABLE, "was written by a newer torc-watch"),
    ],
)
def test_state_of_the_journal(
    quick_path: Path, change: Callable[[Path], object], state: JournalState, words: str
) -> None:
    Journal(quick_path / "journal.db").close()
    change(quick_path)
    before = {path: path.read_bytes() for path in quick_path.iterdir()}

    found, text = probe_journal(quick_path / "journal.db")

    assert found is state
    assert text.startswith(f"The journal {quick_path}") if words else not text
    assert words in text
    assert {path: path.read_bytes() for path in quick_path.iterdir()} == before


def test_host_of_the_active_daemon_is_found(tmp_path: Path) -> None:
    assert lease_holder_host(tmp_path) == ""
    lease = Lease(tmp_path / "lease", this_holder())
    lease.acquire(0)

    assert lease_holder_host(tmp_path) == this_holder().host
    lease.release()
    assert lease_holder_host(tmp_path) == ""
    Lease(tmp_path / "lease", replace(this_holder(), started=1)).acquire(0)
    assert lease_holder_host(tmp_path) == ""  # its process has ended


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
def test_lowest_memory_limit_of_all_control_groups_counts(
    tmp_path: Path, groups: str, caps: dict[str, str], expected: int | None
) -> None:
    write(tmp_path / "proc/self/cgroup", groups)
    for path, text in caps.items():
        write(tmp_path / "sys/fs/cgroup" / path, text)

    assert memory_limit(tmp_path) == expected


@pytest.mark.parametrize(
    ("limit", "switch", "expected"),
    [("63000", None, True), ("0", None, False), ("63000", "0", False), (None, None, False)],
)
def test_permission_for_user_namespaces_is_detected(
    tmp_path: Path, limit: str | None, switch: str | None, expected: bool
) -> None:
    for path, text in (
        ("user/max_user_namespaces", limit),
        ("kernel/unprivileged_userns_clone", switch),
    ):
        if text is not None:
            write(tmp_path / "proc/sys" / path, text)

    assert allows_user_namespaces(tmp_path) is expected


async def test_results_of_all_probes_are_combined(tmp_path: Path) -> None:
    def programs(name: str, *there: str) -> str:
        for program in there:
            write(tmp_path / name / program, "#!/bin/sh\n").chmod(0o755)
        return str(tmp_path / name)

    server = Server(url="http://torc", version="1.0.0", error="")

    async def probe_server() -> Server:
        return server

    target = ProbeTarget(
        user="ada",
        home=tmp_path,
        environment={"PATH": programs("mine", "sbatch", "tmux")},
    )
    services = CommandResult(status=0, stdout=f"PATH={programs('theirs', 'tmux')}")
    node: LoginNode = await probe_login_node(
        target, answering({"systemctl --user show-environment": services}), probe_server
    )

    assert node.user_manager_error == ""
    assert sorted(node.programs) == ["sbatch", "tmux"]
    assert sorted(node.hidden_programs) == ["sbatch"]
    assert node.server is server


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path
