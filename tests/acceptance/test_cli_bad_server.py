"""Servers that are unreachable, answer nonsense, restart, or refuse the user."""

import json
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.acceptance.conftest import Proxy, Site, _Between

pytestmark = pytest.mark.slow

WATCH = ("watch", "1", "--auto-recover", "--poll-interval", "1", "--show-job-counts")
PASSWORD = "correct horse battery"  # noqa: S105 - the server's of these tests

NONSENSE = {
    "a fault": ("500 Oops", "<html>"),
    "a page": ("200 OK", "<html><body>Sign in</body></html>"),
    "half JSON": ("200 OK", '{"id": 1, "na'),
    "half an answer": ("200 OK\r\nContent-Length: 999", '{"id": 1, "na'),
    "another thing": ("200 OK", "[]"),
    "a proxy's 404": ("404 Not Found", ""),
}

# What `sandbox serve` has no option for.
SERVER_WITH_ACCOUNTS = """
import os
from pathlib import Path
import anyio
from torc_watch.sandbox.server import ServerSettings, serve

settings = ServerSettings(
    directory=Path("server"),
    unblock_interval=0.2,
    accounts={"tester": os.environ["PASSWORD_OF_THE_SERVER"]},
)
anyio.run(lambda: serve(settings, announce=lambda url: print(url, flush=True)))
"""

TELLS_ITS_ENVIRONMENT = """
name: talkative
jobs:
  - name: talkative
    command: 'env; echo >"$TORC_OUTPUT_DIR/runs"; exit "$(cat "$TORC_OUTPUT_DIR/end")"'
"""


def test_unreachable_server(site: "Site") -> None:
    (site.folder / "spec.yaml").write_text(TELLS_ITS_ENVIRONMENT)
    commands = ["watch 1", "plan 1", "recover 1", "workflows", "submit spec.yaml"]

    began = time.monotonic()
    started = [site.start(*words.split()) for words in commands]
    statuses = [command.end() for command in started]

    assert statuses == [5, 5, 5, 5, 5]
    assert time.monotonic() - began < 20
    for command in started:
        (line,) = (line for line in command.printed if not line.startswith("Waiting for "))
        assert site.url in line
        assert "Check that the server is running and that the URL is correct." in line


def test_server_that_is_killed_and_restarted(patient: "Site") -> None:
    watch = patient.start(*WATCH)
    watch.until("running=1")
    assert patient.server is not None

    patient.server.kill()
    watch.until("Poll failed: ")
    patient.serve()
    watch.until("Polls succeed again.")
    patient.end_job(0)

    assert watch.end() == 0, watch.output


def always(answer: bytes) -> Callable[[object], bytes]:
    return lambda _: answer


def test_server_that_answers_nonsense(
    patient: "Site", make_proxy: Callable[[str], "Proxy"]
) -> None:
    proxy = make_proxy(patient.url)
    watch = patient.start(*WATCH, TORC_API_URL=proxy.url)
    watch.until("running=1")

    forward = proxy.answer
    for kind, (head, body) in NONSENSE.items():
        proxy.answer = always(f"HTTP/1.1 {head}\r\nConnection: close\r\n\r\n{body}".encode())
        assert watch.until("Poll failed: ").rstrip("\n").isprintable(), kind
        proxy.answer = forward
        watch.until("Polls succeed again.")
    patient.end_job(0)

    assert watch.end() == 0, watch.output
    assert "Traceback" not in watch.output


def test_server_that_does_not_answer(patient: "Site", make_proxy: Callable[[str], "Proxy"]) -> None:
    proxy = make_proxy(patient.url)
    watch = patient.start(*WATCH, TORC_API_URL=proxy.url, TORC_TIMEOUT="1")
    watch.until("running=1")

    forward, over = proxy.answer, threading.Event()
    proxy.answer = lambda _: bytes(over.wait())
    assert "within 1 s" in watch.until("Poll failed: ")
    proxy.answer = forward
    watch.until("Polls succeed again.")
    patient.end_job(0)

    assert watch.end() == 0, watch.output
    over.set()


def test_slow_answer_is_awaited_aloud(
    patient: "Site", make_proxy: Callable[[str], "Proxy"]
) -> None:
    proxy = make_proxy(patient.url)
    forward, never = proxy.answer, threading.Event()

    def slowly(request: "_Between") -> bytes:
        never.wait(3)
        proxy.answer = forward
        return forward(request)

    for words in ("plan 1 --json", "workflows --json"):
        proxy.answer = slowly
        ended = patient.run(*words.split(), TORC_API_URL=proxy.url)
        assert json.loads(ended.stdout)
        assert ended.stderr == f"Waiting for {proxy.url}...\n"


def test_answer_that_drips_is_none(patient: "Site", make_proxy: Callable[[str], "Proxy"]) -> None:
    proxy = make_proxy(patient.url)
    over = threading.Event()

    def drip(request: "_Between") -> bytes:
        request.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        while not over.wait(0.2):
            request.wfile.write(b" ")
        return b""

    proxy.answer = drip
    began = time.monotonic()
    plan = patient.run("plan", "1", TORC_API_URL=proxy.url, TORC_TIMEOUT="1")
    took = time.monotonic() - began
    over.set()

    assert plan.returncode == 5
    assert "No complete answer" in plan.stderr
    assert "within 1 s" in plan.stderr
    assert took < 30


def serve_with_a_password(site: "Site") -> None:
    command = (sys.executable, "-c", SERVER_WITH_ACCOUNTS)
    site.server = site.start_program(*command, PASSWORD_OF_THE_SERVER=PASSWORD)
    site.url = site.server.until("http").strip()


def test_password_is_shown_nowhere(site: "Site") -> None:
    serve_with_a_password(site)
    site.hold()
    password_file = site.folder / "password"
    password_file.write_text(f"{PASSWORD}\n")
    password_file.chmod(0o600)
    (site.folder / "spec.yaml").write_text(TELLS_ITS_ENVIRONMENT)
    known = {"TORC_PASSWORD_FILE": str(password_file)}

    submit = site.start("submit", "spec.yaml", **known)
    assert submit.end() == 0, submit.output
    site.wait_for_job()
    watch = site.start(*WATCH, **known)
    watch.until("running=1")
    command_lines = " ".join(site.processes().values())
    site.end_job(7)
    assert "unknown failure (exit code 7)" in watch.until("Job 1")
    site.wait_for_job()
    site.end_job(0)
    assert watch.end() == 0, watch.output

    told = [
        text
        for text in (site.output / "job_stdio").iterdir()
        if b"TORC_JOB_ID" in text.read_bytes()
    ]
    assert len(told) == 2
    password_file.unlink()
    files = [path.read_bytes() for path in site.folder.rglob("*") if path.is_file()]
    for place in (command_lines, submit.output, watch.output):
        assert PASSWORD not in place
    for content in files:
        assert PASSWORD.encode() not in content
        assert b64encode(f"tester:{PASSWORD}".encode()) not in content


def test_server_that_refuses_the_user(site: "Site") -> None:
    serve_with_a_password(site)
    password_file = site.folder / "password"
    password_file.write_text(PASSWORD)
    password_file.chmod(0o644)

    wrong = site.run("watch", "1", TORC_PASSWORD="wrong horse")  # noqa: S106 - that is the point
    none = site.run("workflows")
    readable = site.run("workflows", TORC_PASSWORD_FILE=str(password_file))
    right = site.run("workflows", TORC_PASSWORD=PASSWORD)

    assert [wrong.returncode, none.returncode] == [5, 5]
    assert "TORC_PASSWORD" in wrong.stderr
    assert "wrong horse" not in wrong.stderr
    assert "TORC_PASSWORD" in none.stderr
    assert readable.returncode == 2
    assert f"chmod 600 {password_file}" in readable.stderr
    assert right.returncode == 0, right.stderr
