"""Commands to the daemon while none is running: the spool keeps them until one starts."""

import json
import os
import shlex
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from torc_watch.cli import app
from torc_watch.core.scheduler_choice import SchedulerChoice
from torc_watch.core.sizing_policy import SizingPolicy
from torc_watch.daemon.commands import Action, Command, WatchedWorkflow, WatchOptions, WatchState
from torc_watch.daemon.lease import this_holder
from torc_watch.daemon.registry import Registry
from torc_watch.daemon.spool import PendingCommand, Spool
from torc_watch.daemon.status_file import utc_now, write_status
from torc_watch.daemon.workflow_view import DaemonView, Phase, WorkflowView
from torc_watch.torc import retry_policy

if TYPE_CHECKING:
    from typer.testing import Result

A = "http://127.0.0.1:9/torc-service/v1"  # where no server listens
B = "http://127.0.0.1:10/torc-service/v1"
ELSEWHERE = replace(this_holder(), boot="another", host="login02")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An unused state folder, in the folder in which commands are given."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(retry_policy, "_REQUEST_PAUSE", 0.0)  # no server listens
    monkeypatch.setenv("TORC_WATCHD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TORC_API_URL", A)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "etc"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    return tmp_path / "home"


def given(words: str) -> "Result":
    return CliRunner().invoke(app, shlex.split(words))


def waiting(home: Path) -> list[Command]:
    files = Spool(home / "spool").pending()
    return [file.command for file in files if isinstance(file, PendingCommand)]


def keep(
    home: Path, server: str, workflow_id: int = 42, state: WatchState = WatchState.WATCHED
) -> None:
    home.mkdir(exist_ok=True)
    entry = WatchedWorkflow(
        server=server,
        workflow_id=workflow_id,
        options=WatchOptions(),
        state=state,
    )
    with closing(Registry(home / "journal.db")) as registry:
        registry.save(entry)


@pytest.mark.parametrize(
    ("options", "choices"),
    [
        ("", {}),
        (
            "-r -m 5 --memory-multiplier 2 --runtime-multiplier 3 -p 300 --scheduler local",
            {
                "scheduler": SchedulerChoice.LOCAL,
                "auto_recover": True,
                "max_retries": 5,
                "memory_multiplier": 2.0,
                "runtime_multiplier": 3.0,
                "poll_interval": 300.0,
            },
        ),
        (
            "--policy fixed --cpu-multiplier 2 --no-in-place",
            {"policy": SizingPolicy.FIXED, "cpu_multiplier": 2.0, "in_place": False},
        ),
        (
            "--no-auto-recover --no-retry-unknown --recovery-hook \"notify 'a b'\"",
            {
                "auto_recover": False,
                "retry_unknown": False,
                "recovery_hook": ("notify", "a b"),
            },
        ),
    ],
)
def test_add_sends_the_given_options_and_no_others(
    home: Path, options: str, choices: dict[str, object]
) -> None:
    ended = given(f"add 42 {options}")

    assert ended.exit_code == 0
    assert ended.stdout == f"Workflow 42 will be added ({A})\n"
    assert f"Warning: No answer from {A}" in ended.stderr
    assert (
        "No daemon is running: this takes effect when one starts. Start it with: " in ended.stderr
    )
    assert "torc-watchd service install" in ended.stderr
    here = str(Path("output").absolute())
    expected = replace(WatchOptions(output_dir=here), **choices)  # type: ignore[arg-type]
    assert waiting(home) == [Command(action=Action.ADD, server=A, workflow_id=42, options=expected)]


@pytest.mark.parametrize("configured", [True, False])
def test_output_folder_is_where_the_workflow_was_first_added(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, configured: bool
) -> None:
    if configured:
        monkeypatch.setenv("TORC_WATCHD_OUTPUT_DIR", str(tmp_path / "scratch/output"))
    given("add 42")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    given("add 42")
    given("add 42 -o here")

    folders = [command.options.output_dir for command in waiting(home)]

    first = None if configured else str(tmp_path / "output")
    assert folders == [first, None, str(tmp_path / "elsewhere/here")]


@pytest.mark.parametrize("command", ["add", "set"])
def test_output_folder_that_cannot_be_used_is_refused(
    home: Path, tmp_path: Path, command: str
) -> None:
    keep(home, A, state=WatchState.WATCHED)
    (tmp_path / "file").touch()

    ended = given(f"{command} 42 -o file/output")

    assert ended.exit_code == 2
    assert (
        f"The output folder {tmp_path}/file/output cannot be used: Not a directory." in ended.stderr
    )
    assert waiting(home) == []


def test_commands_are_sent_in_the_order_in_which_they_were_given(home: Path) -> None:
    given("add 42 43")
    for words in ("set 42 --max-retries 6", "pause 42 43", "resume 43", "remove 42"):
        ended = given(words)
        assert ended.exit_code == 0, ended.stderr

    said = [(each.action, each.workflow_id) for each in waiting(home)]

    assert [f"{verb} {workflow_id}" for verb, workflow_id in said] == [
        *("add 42", "add 43", "set 42", "pause 42", "pause 43", "resume 43", "remove 42")
    ]
    assert waiting(home)[2] == Command(
        action=Action.SET, server=A, workflow_id=42, options=WatchOptions(max_retries=6)
    )


def test_unset_removes_options_and_add_starts_a_new_watch(home: Path) -> None:
    keep(home, A, state=WatchState.ENDED)

    given("set 42 --max-retries 5")
    unset = given("set 42 --unset max-retries --unset poll-interval")
    again = given("add 42 42")

    assert unset.stdout == (
        f"Workflow 42 will be changed ({A}): its watch has ended; resume starts a new one\n"
    )
    assert again.stdout == (
        f"Workflow 42 will be added ({A}): a new watch starts, with all its retries\n"
    )
    _, second, _ = waiting(home)
    assert second.unset == ("max_retries", "poll_interval")


@pytest.mark.parametrize(
    ("words", "state", "said"),
    [
        ("pause 42", WatchState.ENDED, f"is unchanged ({A}): its watch has already ended\n"),
        ("pause 42", WatchState.PAUSED, f"is unchanged ({A})\n"),
        (
            "resume 42",
            WatchState.WATCHED,
            f"is unchanged ({A}): if it waits to run jobs again, it does so now\n",
        ),
        ("resume 42", WatchState.PAUSED, f"will be resumed ({A})\n"),
        ("add 42", WatchState.WATCHED, f"is unchanged ({A}): it was already watched\n"),
        ("set 42 -m 3", WatchState.PAUSED, f"will be changed ({A}): it is paused\n"),
    ],
)
def test_command_says_what_it_changes(home: Path, words: str, state: WatchState, said: str) -> None:
    keep(home, A, state=state)
    assert given(words).stdout == f"Workflow 42 {said}"


def test_unreadable_workflow_can_be_removed_or_added_again(home: Path) -> None:
    keep(home, A)
    with closing(sqlite3.connect(home / "journal.db")) as database:
        database.execute("""UPDATE entry SET choices = '{"max_retries": "many"}'""")
        database.commit()

    for words in ("pause 42", "set 42 -m 3", "status 42"):
        refused = given(words)
        assert refused.exit_code in (2, 8)
        assert "add the workflow again with the options that you want" in refused.stderr
    assert waiting(home) == []
    for words in ("remove 42", "add 42"):
        assert given(words).exit_code == 0


@pytest.mark.parametrize("verb", ["pause", "resume", "remove", "set -m 3"])
def test_same_id_on_two_servers_needs_a_url(home: Path, verb: str) -> None:
    keep(home, A)
    keep(home, B)

    open_ = given(f"{verb} 42")
    said = given(f"{verb} 42 --url 127.0.0.1:10")

    assert open_.exit_code == 2
    assert f"Several servers have a workflow 42: {B} and {A}. Choose one with --url" in open_.stderr
    assert said.exit_code == 0
    assert [each.server for each in waiting(home)] == [B]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("pause 42", "Workflow 42 is not watched. Add it with: torc-watchd add 42"),
        ("history 42", "home has no watch of workflow 42."),
        ("set 42", "Give at least one option to change, such as --max-retries 6."),
        ("set 42 --memory-multiplier 1", "'--memory-multiplier': 1 would not raise anything"),
        (
            "set 42 --unset max-retry",
            "no option 'max_retry' to unset. Options: approve,",
        ),
        ("add 0", "'0' is not the ID of a workflow"),
        ("add", "Missing argument 'ID'"),
        (f"add {2**63}", "must be between 1 and 2^63 - 1 (got 9223372036854775808)."),
        ("add 42 -p 1e9", "--poll-interval must be at most 366 days (got 1000000000 s)."),
        ("add 42 -o ~nobody-of-that-name/x", "There is no home folder for ~nobody-of-that-name."),
        ("add 42 --url ftp://host", "'ftp://host' is not the URL of a server"),
        ("pause 42 --url ftp://host", "'ftp://host' is not the URL of a server"),
    ],
)
def test_refused(home: Path, words: str, message: str) -> None:
    ended = given(words)

    assert ended.exit_code == 2
    assert message in ended.stderr
    assert not home.exists()


@pytest.mark.parametrize("words", ["add 1-3,7", "add 1-3 7 2", "add 1,2,3,7"])
def test_ranges_of_ids(home: Path, words: str) -> None:
    assert given(words).exit_code == 0
    assert [each.workflow_id for each in waiting(home)] == [1, 2, 3, 7]
    for verb in ("pause", "resume", "set -m 3", "remove"):
        assert given(f"{verb} 1-2").exit_code == 0
    assert [f"{each.action} {each.workflow_id}" for each in waiting(home)[4:]] == [
        f"{verb} {number}" for verb in ("pause", "resume", "set", "remove") for number in (1, 2)
    ]


@pytest.mark.parametrize(
    "verb", ["add", "pause", "resume", "remove", "set -m 3", "status", "history"]
)
@pytest.mark.parametrize("ids", ["42 3-1", "42 1-", "1-99999", "42 x"])
def test_one_bad_range_and_nothing_is_done(home: Path, verb: str, ids: str) -> None:
    keep(home, A)
    ended = given(f"{verb} {ids}")
    assert ended.exit_code == 2
    assert "Invalid value for 'ID'" in ended.stderr
    assert not ended.stdout
    assert not waiting(home)


def test_range_with_a_workflow_that_is_not_watched_changes_nothing(home: Path) -> None:
    keep(home, A)
    ended = given("pause 41-44")
    assert ended.exit_code == 2
    assert (
        "Nothing was changed, because of 3 of these. "
        "Workflow 41 is not watched. Add it with: torc-watchd add 41"
    ) in ended.stderr
    assert not waiting(home)


def test_commands_answer_in_json_too(home: Path) -> None:
    keep(home, A, state=WatchState.ENDED)
    shown = json.loads(given("pause 42 --json").stdout)
    assert shown["version"] == 1
    assert shown["pending"].startswith("No daemon is running")
    assert shown["workflows"] == [
        {
            "server": A,
            "workflow_id": 42,
            "action": "pause",
            "changed": False,
            "note": "its watch has already ended",
        }
    ]


def test_list_shows_what_no_daemon_has_taken_yet(home: Path) -> None:
    home.mkdir()
    view = DaemonView(
        holder=this_holder(),
        at=utc_now().isoformat(),
        workflows=(WorkflowView(server=A, workflow_id=42, phase=Phase.WATCHING),),
    )
    write_status(home / "status.json", view)
    keep(home, A)
    given("add 7")
    given("pause 42")

    lines = given("list").stdout.splitlines()
    shown = json.loads(given("list --json").stdout)

    assert [" ".join(line.split()) for line in lines[1:]] == [
        "7 added add waits for the daemon",
        "42 watching pause waits for the daemon",
    ]
    assert [(each["workflow_id"], each["actions"]) for each in shown["waiting"]] == [
        (7, ["add"]),
        (42, ["pause"]),
    ]
    assert [each["workflow_id"] for each in shown["workflows"]] == [42]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("logs 77", "has nothing about workflow 77, and the daemon does not watch it."),
        ("logs 42", "The daemon has logged nothing about workflow 42 yet."),
        ("logs 0", "'0' is not the ID of a workflow"),
    ],
)
def test_log_without_a_line_about_the_workflow(home: Path, words: str, message: str) -> None:
    keep(home, A)
    (home / "daemon.log").write_text('{"event": "lease.taken", "workflows": 0}\n')
    ended = given(words)
    assert ended.exit_code == 2
    assert message in ended.stderr
    assert not ended.stdout


def test_unwatched_workflow_whose_server_is_away(home: Path) -> None:
    ended = given("status 42")
    assert ended.exit_code == 5
    assert "The daemon does not watch workflow 42 and knows nothing of it." in ended.stderr
    assert not ended.stdout
    assert not home.exists()


def test_status_of_several_asks_a_silent_server_once(home: Path) -> None:
    for number in (1, 2, 3):
        keep(home, A, number)
    ended = given("status 1-3")
    assert ended.exit_code == 5
    assert ended.stdout.count("It was added.") == 3
    assert ended.stderr.count("No answer from") == 1
    shown = json.loads(given("status 1-3 --json").stdout)
    assert [each["workflow_id"] for each in shown["workflows"]] == [1, 2, 3]


def test_daemon_on_another_login_node_is_named(home: Path) -> None:
    home.mkdir()
    view = DaemonView(holder=ELSEWHERE, at=utc_now().isoformat(), workflows=())
    write_status(home / "status.json", view)

    assert "The daemon on login02 will apply this within a few seconds." in given("add 42").stderr


@pytest.mark.parametrize(
    ("blocked", "message"),
    [
        ("spool", "The spool {}/spool cannot be read: Not a directory"),
        (
            "spool/drafts",
            (
                "The state folder {} cannot be written: File exists. "
                "No command was sent for workflow 42, 43."
            ),
        ),
    ],
)
def test_unusable_spool(home: Path, blocked: str, message: str) -> None:
    (home / blocked).parent.mkdir(parents=True)
    (home / blocked).touch()

    ended = given("add 42 43")

    assert ended.exit_code == 8
    assert message.format(home) in ended.stderr
    assert not ended.stdout


@pytest.mark.parametrize("words", ["list", "add 42", "watch 42", "logs", "status 42"])
def test_every_command_refuses_a_typo_in_the_configuration(home: Path, words: str) -> None:
    config = Path("config/torc-watchd/config.toml")
    config.parent.mkdir(parents=True)
    config.write_text("max_retrys = 5")

    ended = given(words)

    assert ended.exit_code == 2
    assert f"{config.absolute()}: there is no setting 'max_retrys'." in ended.stderr
    assert "Did you mean 'max_retries'?" in ended.stderr
    assert not home.exists()


@pytest.mark.parametrize("words", ["list", "config show --json", "hpc list"])
def test_a_variable_that_sets_nothing_is_named(monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    monkeypatch.setenv("TORC_WATCHD_MAX_RETRYS", "5")

    ended = given(words)

    assert ended.exit_code == 0
    assert ended.stderr.startswith(
        "Warning: TORC_WATCHD_MAX_RETRYS is no setting of torc-watchd. "
        "Did you mean TORC_WATCHD_MAX_RETRIES?\n"
    )


@pytest.mark.parametrize("words", ["list", "run", "config show"])
def test_unreadable_configuration_is_no_usage_error(words: str) -> None:
    Path("config/torc-watchd/config.toml").mkdir(parents=True)

    ended = given(words)

    assert ended.exit_code == 8  # of which a service is started again, not so of 2
    assert "config.toml cannot be read: Is a directory." in ended.stderr


def test_config_show_says_where_each_value_is_from(monkeypatch: pytest.MonkeyPatch) -> None:
    files = [Path(f"{whose}/torc-watchd/config.toml").absolute() for whose in ("config", "etc")]
    for file, text in zip(files, ("timeout = 7", "timeout = 5\nmax_retries = 5"), strict=True):
        file.parent.mkdir(parents=True)
        file.write_text(text)
    monkeypatch.setenv("TORC_PASSWORD", "hunter2")
    monkeypatch.setenv("TORC_API_URL", "http://ada:hunter2@host")

    shown = json.loads(given("config show --json").stdout)["settings"]
    text = given("config show").stdout

    assert shown["timeout"] == {"value": 7.0, "from": str(files[0])}
    assert shown["max_retries"] == {"value": 5, "from": str(files[1])}
    assert shown["memory_multiplier"] == {"value": 1.5, "from": "default"}
    assert shown["password"]["from"] == "TORC_PASSWORD in the environment"
    assert f"({files[1]})" in text
    assert "hunter2" not in text + str(shown)


@pytest.mark.slow
def test_list_while_no_daemon_runs(home: Path) -> None:
    ended = given("list")
    assert ended.stdout == "No workflows are watched. Add one with: torc-watchd add ID\n"
    assert "The daemon has never run." in ended.stderr

    home.mkdir()
    workflow = WorkflowView(server=A, workflow_id=42, phase=Phase.PAUSED)
    gone = replace(this_holder(), pid=2**30)
    view = DaemonView(holder=gone, at=utc_now().isoformat(), workflows=(workflow,))
    write_status(home / "status.json", view)

    ended = given("list")
    assert "42  paused" in ended.stdout
    assert "The daemon is not running. Last update: " in ended.stderr
    shown = json.loads(given("list --json").stdout)
    assert [each["phase"] for each in shown["workflows"]] == ["paused"]
    assert shown["trouble"].startswith("The daemon is not running")
    assert "paused" in given("status 42").stdout


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", ["--help", "--version", "list", "list --help", "config show"])
def test_full_standard_output_is_one_line_and_a_status(
    home: Path, monkeypatch: pytest.MonkeyPatch, words: str, unbuffered: str
) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    home.mkdir()
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "torc_watch", *words.split()],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert ended.returncode == 6
    last = ended.stderr.splitlines()[-1]
    assert last == "torc-watchd: standard output: No space left on device."
    assert "Traceback" not in ended.stderr


def test_closed_standard_output_is_no_file_of_ours(home: Path) -> None:
    """The next file that is opened would get its number, and with it what is printed."""
    command = f"{sys.executable} -m torc_watch add 42 -r >&-"
    ended = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    (sent,) = waiting(home)
    assert sent.options.auto_recover


def test_list_loads_nothing_heavy_and_prints_what_the_terminal_can_show(home: Path) -> None:
    program = (
        "import atexit, sys; from torc_watch.__main__ import main;"
        "heavy = ['anyio', 'httpx', 'pydantic', 'rich', 'sqlite3', 'torc_watch.core.policy'];"
        "atexit.register(lambda: print([name for name in heavy if sys.modules.get(name)]));"
        "main()"
    )
    home.mkdir()
    workflow = WorkflowView(server=A, workflow_id=42, name="é", phase=Phase.WATCHING)
    view = DaemonView(holder=this_holder(), at=utc_now().isoformat(), workflows=(workflow,))
    write_status(home / "status.json", view)

    ended = subprocess.run(
        [sys.executable, "-c", program, "list"],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert "42  ?     watching" in ended.stdout
    assert ended.stdout.endswith("\n[]\n")
    assert not ended.stderr


def test_status_is_interrupted_while_it_waits_for_the_server(home: Path) -> None:
    home.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        server = f"http://127.0.0.1:{silent.getsockname()[1]}/torc-service/v1"
        workflow = WorkflowView(server=server, workflow_id=42, phase=Phase.WATCHING)
        view = DaemonView(holder=this_holder(), at=utc_now().isoformat(), workflows=(workflow,))
        write_status(home / "status.json", view)
        with subprocess.Popen(
            [sys.executable, "-m", "torc_watch", "status", "42"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as asking:
            connection, _ = silent.accept()
            with connection:
                assert connection.recv(99).startswith(b"GET /torc-service/v1/")
                asking.send_signal(signal.SIGINT)
                shown, said = asking.communicate()

    assert asking.returncode == 130
    assert shown.startswith("Workflow 42 on ")
    assert said == "torc-watchd: interrupted.\n"


def test_daemon_loads_only_what_it_uses() -> None:
    program = (
        "import atexit, sys; from torc_watch.__main__ import main;"
        "heavy = ['click', 'httpx._main', 'rich', 'yaml', 'starlette', 'uvicorn'];"
        "atexit.register(lambda: print([name for name in heavy if sys.modules.get(name)]));"
        "main()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, "run", "--once"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout == "[]\n"
