"""The channels of news with real programs and servers: what arrives, what fails, what hangs."""

import email
import email.policy
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import anyio
import psutil
import pytest

from tests.rigs.news_servers import mail_server, silent_server, webhook
from torc_watch.core.news import NewsFact, NewsItem, NewsKind, NewsMessage
from torc_watch.host.processes import find_process
from torc_watch.news import program
from torc_watch.news.apprise_channel import AppriseChannel
from torc_watch.news.apprise_process import masked
from torc_watch.news.command_channel import CommandChannel
from torc_watch.news.mail_channel import MailChannel
from torc_watch.render.news_text import message_of

SECRET = "hunter2secret"  # noqa: S105 - a made-up one


def message(subject: str = "Workflow 42 (trän) succeeded") -> NewsMessage:
    item = NewsItem(
        server="http://torc",
        workflow_id=42,
        fact=NewsFact(NewsKind.SUCCESS, ""),
        at=datetime.now(UTC),
        subject=subject,
        body="Body\n~!touch evil\n.\nend",
    )
    return message_of([item], may_be_repeated=False)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for stand-ins of programs, which is first on the PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


async def test_program_gets_the_news_as_json(programs: Path, tmp_path: Path) -> None:
    command = script(programs / "tell", f'cat >"{tmp_path}/$1"; echo ignored')
    result = await CommandChannel((str(command), "$(touch evil) x")).send(message())

    assert result.problem == ""
    values = json.loads((tmp_path / "$(touch evil) x").read_text())
    assert values["news"][0]["workflow_id"] == 42
    assert values["subject"] == "torc-watchd: Workflow 42 (trän) succeeded"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("echo no such room >&2; exit 3", "tell ended with status 3: no such room"),
        ("exit 1", "tell ended with status 1."),
        ("exec 0<&-; yes x | head -c 1000000; exit 2", f"tell ended with status 2: {'x ' * 150}"),
        ("kill -9 $$", "tell ended with status -9."),
    ],
)
async def test_program_that_fails(programs: Path, text: str, problem: str) -> None:
    command = script(programs / "tell", text)
    assert (await CommandChannel((str(command),)).send(message())).problem == problem


async def test_program_that_is_missing() -> None:
    result = await CommandChannel(("/no/such/program",)).send(message())
    assert result.problem.startswith("/no/such/program cannot be run: ")


async def test_program_that_hangs_is_ended_with_all_that_it_started(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "LIMIT", 0.5)
    command = script(programs / "tell", f'sleep 1000 & echo $! >"{tmp_path}/pid"; wait')
    result = await CommandChannel((str(command),)).send(message())

    assert result.problem == "tell did not end within 0 s and was stopped."
    assert result.is_unclear
    child = int((tmp_path / "pid").read_text())
    with anyio.fail_after(10):
        while find_process(child) is not None:  # noqa: ASYNC110 - init reaps it
            await anyio.sleep(0.01)


async def test_sendmail_gets_a_whole_mail(programs: Path, tmp_path: Path) -> None:
    script(programs / "sendmail", f'echo "$@" >"{tmp_path}/args"; cat >"{tmp_path}/mail"')
    result = await MailChannel(("ada", "grace@example.org")).send(message())

    assert result.problem == ""
    assert (tmp_path / "args").read_text() == "-i ada grace@example.org\n"
    mail = email.message_from_bytes((tmp_path / "mail").read_bytes(), policy=email.policy.default)
    assert mail["Subject"] == "torc-watchd: Workflow 42 (trän) succeeded"
    assert (mail["To"], mail["Auto-Submitted"]) == ("ada, grace@example.org", "auto-generated")
    assert mail.get_content() == "Body\n~!touch evil\n.\nend\n"


async def test_mail_where_there_is_no_sendmail(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torc_watch.news.mail_channel._SENDMAIL", ("no-sendmail-here",))
    script(programs / "mail", f'echo "$@" >"{tmp_path}/args"; cat >"{tmp_path}/mail"')
    assert (await MailChannel(("ada",)).send(message())).problem == ""

    args = (tmp_path / "args").read_text()
    assert args == "-s torc-watchd: Workflow 42 (trän) succeeded ada\n"
    assert " ~!touch evil\n" in (tmp_path / "mail").read_text()

    monkeypatch.setattr("torc_watch.news.mail_channel._MAIL", ("no-mail-here",))
    assert "no sendmail" in (await MailChannel(("ada",)).send(message())).problem


@pytest.mark.parametrize("has_server", [True, False])
async def test_mail_of_a_service_without_new_privileges(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, has_server: bool
) -> None:
    """It goes to the mail server, and by a program only where there is none."""
    monkeypatch.setattr("torc_watch.news.mail_channel.may_gain_privileges", lambda: False)
    script(programs / "sendmail", f'touch "{tmp_path}/ran"; exit 75')
    with mail_server() as inbox:
        port = inbox.port if has_server else 1
        monkeypatch.setattr("torc_watch.news.mail_channel._PORT", port)
        result = await MailChannel(("ada", "grace@example.org")).send(message())

    assert (tmp_path / "ran").exists() != has_server
    assert len(inbox.taken) == has_server
    if has_server:
        assert result.problem == ""
        mail = email.message_from_bytes(inbox.taken[0], policy=email.policy.default)
        assert mail["Subject"] == "torc-watchd: Workflow 42 (trän) succeeded"
    else:
        assert "Connection refused" in result.problem
        assert "sendmail ended with status 75" in result.problem
        assert result.problem.endswith("Use notify with a mailto: URL.")


def test_privileges_of_a_service() -> None:
    program_text = (
        "import ctypes; ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)\n"  # PR_SET_NO_NEW_PRIVS
        "from torc_watch.host.privileges import may_gain_privileges; print(may_gain_privileges())"
    )
    words = [sys.executable, "-c", program_text]
    assert subprocess.run(words, capture_output=True, check=True).stdout == b"False\n"


async def test_webhook_through_apprise() -> None:
    with webhook() as inbox:
        channel = AppriseChannel(f"json://ada:{SECRET}@127.0.0.1:{inbox.port}/{SECRET}", 1)
        assert (await channel.send(message())).problem == ""

    (taken,) = map(json.loads, inbox.taken)
    assert taken["title"] == "torc-watchd: Workflow 42 (trän) succeeded"
    assert "~!touch evil" in taken["message"]
    assert taken["type"] == "success"


async def test_mail_through_apprise() -> None:
    with mail_server() as inbox:
        url = f"mailto://127.0.0.1:{inbox.port}/?from=torc@example.org&to=ada@example.org&mode=insecure"
        result = await AppriseChannel(url, 1).send(message())

    assert result.problem == ""
    assert b"ada@example.org" in inbox.taken[0]


async def test_server_that_refuses_is_named_without_secrets() -> None:
    with webhook(status=500) as inbox:
        channel = AppriseChannel(f"json://ada:{SECRET}@127.0.0.1:{inbox.port}/{SECRET}", 1)
        problem = (await channel.send(message())).problem

    assert "500" in problem
    assert SECRET not in problem + channel.name + repr(channel)


async def test_hanging_server_is_left_at_once_and_the_url_is_in_no_argument() -> None:
    with silent_server() as inbox:
        channel = AppriseChannel(f"json://127.0.0.1:{inbox.port}/{SECRET}?rto=100", 1)
        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(channel.send, message())
                while not inbox.taken:  # noqa: ASYNC110 - of another process
                    await anyio.sleep(0.01)
                assert not any(SECRET in words for words in command_lines())
                tasks.cancel_scope.cancel()
        assert not any("apprise_process" in words for words in command_lines())


def command_lines() -> list[str]:
    """Of all processes that this test has started."""
    return [" ".join(child.cmdline()) for child in psutil.Process().children(recursive=True)]


async def test_url_that_apprise_does_not_know() -> None:
    result = await AppriseChannel(f"unknown://{SECRET}", 1).send(message())
    assert result.problem.startswith("apprise cannot use this URL.")


def test_missing_extra_is_named() -> None:
    program_text = (
        "import sys; sys.modules['apprise'] = None\n"
        "from torc_watch.news.apprise_process import main; sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program_text],
        input='{"url": "json://x", "title": "", "body": "", "type": "info"}',
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == (
        "torc-watchd is installed without the extra notify. "
        "Install it with: pip install 'torc-watch[notify]'"
    )


def test_error_inside_apprise_does_not_show_the_url() -> None:
    program_text = (
        "import sys; from torc_watch.news import apprise_process\n"
        "def fail(url, **_): raise RuntimeError(url)\n"
        "apprise_process._send = fail; sys.exit(apprise_process.main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program_text],
        input='{"url": "json://host/s3cret"}',
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout == "apprise cannot send this: RuntimeError."


@pytest.mark.parametrize(
    ("text", "url", "private", "expected"),
    [
        ("Bad tokenA at T1B", "slack://tokenA/T1B/x", "slack://t...A/T...B/", "Bad **** at ****"),
        (
            "no ada s3cret",
            "mailto://ada:s3cret@host.org",
            "mailto://ada:****@host.org/",
            "no **** ****",
        ),
        ("at host.org json", "json://host.org/hook", "json://host.org/hook", "at host.org json"),
        ("p%40ss p@ss", "json://u:p%40ss@host.org", "json://u:****@host.org", "**** ****"),
        ("no p@ss:w0", "json://u:p%40ss%3Aw0@host.org", "json://u:****@host.org", "no ****"),
        ("a pässwort", "json://u:p%C3%A4sswort@h", "json://u:****@h", "a ****"),
    ],
)
def test_masked(text: str, url: str, private: str, expected: str) -> None:
    assert masked(text, url, private) == expected
