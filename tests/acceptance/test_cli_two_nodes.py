"""Two login nodes with one home: network and process namespaces of their own, one state folder."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.rigs.specifications import PATIENT

if TYPE_CHECKING:
    from tests.acceptance.conftest import Site
    from tests.rigs.commands import Command

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SERVER = "10.111.0.1"
PATIENCE = "4"  # seconds for which a heartbeat may stand still
RECOVERED = [(1, 1), (2, 0)]  # run and return code of each result
TAKEN_OVER = "Another torc-watchd of yours has taken over"


@dataclass(frozen=True, slots=True)
class Nodes:
    """A server that both nodes reach, at the same address."""

    site: "Site"
    prefix: str

    def network(self, name: str) -> str:
        return f"{self.prefix}-{name}"

    def run_in_hub(self, *words: str) -> str:
        command = ["ip", "netns", "exec", self.network("hub"), *self.command(*words)]
        done = subprocess.run(
            command,
            env=os.environ | self.variables(),
            capture_output=True,
            text=True,
            check=True,
            cwd=self.site.folder,
        )
        return done.stdout

    def start(self, name: str) -> "Command":
        """A daemon on that login node, as process 1 of its namespace."""
        unshare = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
        command = ["ip", "netns", "exec", self.network(name), *unshare, *self.command("run")]
        return self.site.start_program(*command, **self.variables())

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "torc_watch", *words]

    def variables(self) -> dict[str, str]:
        ours = {"TORC_WATCHD_LEASE_PATIENCE": PATIENCE, "TORC_WATCHD_HOME": str(self.site.home)}
        return ours | {"TORC_API_URL": self.site.url, "USER": "tester"}

    def daemon_of(self, command: "Command") -> int:
        """The number that the daemon has on this machine."""
        parent = command.process.pid
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        return int(children[0])

    def results(self) -> list[tuple[int, int]]:
        return self.site.rows("SELECT run_id, return_code FROM result ORDER BY run_id, id")


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@pytest.fixture
def nodes(site: "Site") -> Iterator[Nodes]:
    if os.geteuid() != 0 or not (shutil.which("ip") and shutil.which("unshare")):
        unavailable("namespaces need root, ip and unshare")
    nodes = Nodes(site, f"tw{os.getpid()}")
    with ExitStack() as stack:
        try:
            for name in ("hub", "a", "b"):
                network = nodes.network(name)
                ip("netns", "add", network)
                stack.callback(ip, "netns", "delete", network)
                ip("-n", network, "link", "set", "lo", "up")
            connect(nodes)
        except subprocess.CalledProcessError as error:
            unavailable(f"namespaces cannot be made here: {error.stderr.decode().strip()}")
        stack.callback(site.end_everything)
        serve(nodes)
        yield nodes


def connect(nodes: Nodes) -> None:
    hub = nodes.network("hub")
    ip("-n", hub, "address", "add", f"{SERVER}/32", "dev", "lo")
    for number, name in enumerate(("a", "b"), start=1):
        node = nodes.network(name)
        here, there = f"veth-{name}", "veth-hub"
        ip("-n", hub, "link", "add", here, "type", "veth", "peer", "name", there, "netns", node)
        ip("-n", hub, "address", "add", f"10.111.{number}.1/24", "dev", here)
        ip("-n", hub, "link", "set", here, "up")
        ip("-n", node, "address", "add", f"10.111.{number}.2/24", "dev", there)
        ip("-n", node, "link", "set", there, "up")
        ip("-n", node, "route", "add", "default", "via", f"10.111.{number}.1")


def serve(nodes: Nodes) -> None:
    site, words = nodes.site, ["sandbox", "serve", "--json", "--directory", "server"]
    words += ["--host", "0.0.0.0", "--port", "8080", "--unblock-interval", "0.2"]  # noqa: S104 - in a namespace
    site.url = f"http://{SERVER}:8080"
    command = ["ip", "netns", "exec", nodes.network("hub"), *nodes.command(*words)]
    site.start_program(*command, **nodes.variables()).until("url")


def unavailable(reason: str) -> None:
    if "namespaces" in os.environ.get("TORC_WATCH_REQUIRE", "").split(","):
        pytest.fail(reason)
    pytest.skip(reason)


def submit(nodes: Nodes, specification: str, *options: str) -> None:
    (nodes.site.folder / "workflow.yaml").write_text(specification)
    nodes.run_in_hub("submit", "workflow.yaml")
    nodes.run_in_hub("add", "1", "--auto-recover", "--poll-interval", "1", *options)


def test_standby_takes_over_from_a_killed_holder(nodes: Nodes) -> None:
    """It also carries out the round that the first one could not."""
    nodes.site.hold()
    submit(nodes, PATIENT)
    first = nodes.start("a")
    first.until("Watching workflow 1")
    second = nodes.start("b")
    second.until("Standing by: the daemon on")
    nodes.site.wait_for_job()
    os.kill(nodes.daemon_of(first), signal.SIGKILL)
    nodes.site.end_job(1)

    second.until("is active")
    second.until("Recovery initiated")
    nodes.site.wait_for_job()
    nodes.site.end_job(0)
    second.until("Ended: succeeded")

    assert nodes.results() == RECOVERED
    assert TAKEN_OVER not in second.output


def test_suspended_holder_changes_nothing_after_a_takeover(nodes: Nodes) -> None:
    nodes.site.hold()
    submit(nodes, PATIENT)
    first = nodes.start("a")
    first.until("Watching workflow 1")
    second = nodes.start("b")
    second.until("Standing by: the daemon on")
    nodes.site.wait_for_job()
    paused = nodes.daemon_of(first)
    os.kill(paused, signal.SIGSTOP)
    nodes.site.end_job(1)
    second.until("Recovery initiated")

    os.kill(paused, signal.SIGCONT)
    first.until(TAKEN_OVER)
    first.until("Standing by: the daemon on")
    nodes.site.wait_for_job()
    nodes.site.end_job(0)
    second.until("Ended: succeeded")

    assert nodes.results() == RECOVERED
    assert "Attempting" not in first.output
    assert len(nodes.site.rows("SELECT id FROM scheduled_compute_node")) == 2


def test_holder_suspended_during_a_round_leaves_it_to_its_successor(nodes: Nodes) -> None:
    """It comes back when its own hook has said yes, and the other is in the same round."""
    nodes.site.hold()
    hook, answers = nodes.site.folder / "hook", nodes.site.folder / "answers"
    hook.write_text("echo asked; read -r answer <answers")
    os.mkfifo(answers)
    with answers.open("r+b", buffering=0) as answer:
        submit(nodes, PATIENT, "--recovery-hook", f"sh {hook}")
        first = nodes.start("a")
        nodes.site.wait_for_job()
        nodes.site.end_job(1)
        first.until("asked")
        paused = nodes.daemon_of(first)
        os.kill(paused, signal.SIGSTOP)
        second = nodes.start("b")
        second.until("asked")
        answer.write(b"yes\nyes\n")

        os.kill(paused, signal.SIGCONT)
        first.until(TAKEN_OVER)
        nodes.site.wait_for_job()
        nodes.site.end_job(0)
        second.until("Ended: succeeded")

    assert nodes.results() == RECOVERED
    assert "Reset" not in first.output
    assert len(nodes.site.rows("SELECT id FROM scheduled_compute_node")) == 2
