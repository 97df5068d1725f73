"""`nodes`, `nodes clear`, and what `status`, `doctor` and `plan` say of bad nodes."""

import json
import shlex
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.rigs.hot_journal import cut_off_a_write
from tests.rigs.json_shapes import assert_documented
from torc_watch.cli import app
from torc_watch.core.allocation import AllocationSpec
from torc_watch.core.cause import Cause
from torc_watch.core.node_incident import NodeIncident
from torc_watch.core.recovery_round import Plan
from torc_watch.core.units import GIB
from torc_watch.daemon.registry import Registry
from torc_watch.engine.journal import Journal
from torc_watch.login_node.probes import ProbeTarget, probe_bad_nodes
from torc_watch.render.time_text import local_time
from torc_watch.render.transcript import plan_lines
from torc_watch.torc import retry_policy

SERVER = "http://127.0.0.1:9/torc-service/v1"  # where no server listens
NOW = datetime.now(UTC).replace(microsecond=0)
FAILED = NodeIncident(
    cluster="ridge",
    node="n07",
    cause=Cause.NODE,
    at=NOW,
    server=SERVER,
    workflow_id=42,
    run_id=1,
    job_id=7,
    job_name="train",
)
UNWELL = replace(FAILED, node="n3", job_id=8, cause=Cause.FILE_SYSTEM)


@pytest.fixture
def home(quick_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(quick_path)
    monkeypatch.setattr(retry_policy, "_REQUEST_PAUSE", 0.0)  # no server listens
    monkeypatch.setenv("TORC_WATCHD_HOME", str(quick_path))
    monkeypatch.setenv("TORC_API_URL", SERVER)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(quick_path / "config"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(quick_path / "etc"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(quick_path / "run"))
    return quick_path


def record(home: Path, *incidents: NodeIncident) -> None:
    with closing(Journal(home / "journal.db")) as journal:
        journal.incidents.record("", incidents)


def given(words: str, status: int = 0) -> Any:
    ended = CliRunner().invoke(app, shlex.split(words))
    assert ended.exit_code == status, ended.output
    return ended


def values(words: str, status: int = 0) -> Any:
    found = json.loads(given(f"{words} --json", status).stdout)
    command = "nodes clear" if words.startswith("nodes clear") else words.partition(" ")[0]
    assert_documented(command, found)
    return found


def test_nodes_are_listed_with_their_incidents(home: Path) -> None:
    record(home, FAILED, UNWELL)
    assert given("nodes").stdout.splitlines() == [
        "n07: score 1.00, excluded",
        f"  {local_time(NOW.isoformat())}  its node failed: job 7 (train) of workflow 42",
        "n3: score 0.50",
        f"  {local_time(NOW.isoformat())}  file system unwell: job 8 (train) of workflow 42",
    ]
    found = values("nodes")["nodes"]
    assert [(each["node"], each["excluded"]) for each in found] == [("n07", True), ("n3", False)]


def test_long_lists_are_cut_and_clusters_told_apart(home: Path) -> None:
    often = [
        replace(FAILED, run_id=number, at=NOW - timedelta(hours=number)) for number in range(7)
    ]
    record(home, *often, replace(UNWELL, cluster="valley", job_name="bell\a"))
    lines = given("nodes").stdout.splitlines()
    assert lines[0].startswith("n07 of ridge: score 5.")
    assert lines[6:8] == ["  and 2 more", "n3 of valley: score 0.50"]
    assert "bell\\x07" in lines[8]


@pytest.mark.parametrize("words", ["nodes", "nodes clear --all"])
def test_without_a_journal_there_is_no_node(home: Path, words: str) -> None:
    assert given(words).stdout == "No node has failed jobs lately.\n"
    assert not (home / "journal.db").exists()
    values(words)


def test_switched_off(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORC_WATCHD_EXCLUDE_NODES", "false")
    record(home, FAILED)
    lines = given("nodes").stdout.splitlines()
    assert lines[0] == "n07: score 1.00"
    assert lines[-1] == "exclude_nodes is off: new allocations use them all."
    assert not values("nodes")["nodes"][0]["excluded"]
    assert values("status 1", 5)["excluded_nodes"] == []


@pytest.mark.parametrize(
    ("words", "left", "said"),
    [
        ("n07", ["n3"], "Node n07 is cleared.\n"),
        ("n07.example.org n07", ["n3"], "Node n07 is cleared.\n"),
        ("n07 n3", [], "Node n07 is cleared.\nNode n3 is cleared.\n"),
        ("--all", [], "Node n07 is cleared.\nNode n3 is cleared.\n"),
    ],
)
def test_cleared_nodes_are_used_again(home: Path, words: str, left: list[str], said: str) -> None:
    record(home, FAILED, UNWELL)
    with closing(Registry(home / "journal.db", "1")):  # beside a daemon
        assert given(f"nodes clear {words}").stdout == said
    assert [each["node"] for each in values("nodes")["nodes"]] == left
    with closing(Journal(home / "journal.db", "1")) as of_daemon:
        assert [each.node for each in of_daemon.incidents.all()] == left


def test_cleared_nodes_as_json(home: Path) -> None:
    record(home, FAILED)
    assert values("nodes clear n07")["cleared"] == ["n07"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("nodes clear", "Name the nodes, or give --all"),
        ("nodes clear n07 --all", "Name the nodes, or give --all"),
        ("nodes clear n99", "Node n99 has failed no jobs lately"),
        ("nodes clear n07 n99", "Node n99 has failed no jobs lately"),
    ],
)
def test_what_cannot_be_cleared(home: Path, words: str, reason: str) -> None:
    record(home, FAILED)
    assert reason in given(words, status=2).stderr
    assert [each["node"] for each in values("nodes")["nodes"]] == ["n07"]


@pytest.mark.parametrize("words", ["nodes", "nodes --json", "nodes clear n07", "nodes clear --all"])
def test_beside_a_damaged_journal(home: Path, words: str) -> None:
    (home / "journal.db").write_bytes(b"no database" * 1000)
    ended = given(words, status=8)
    assert "journal.db is damaged" in ended.stderr
    assert ended.stdout == ""


def test_beside_a_change_that_was_cut_off(home: Path) -> None:
    record(home, FAILED)
    cut_off_a_write(home)
    assert "n07: score 1.00" in given("nodes").stdout
    given("nodes clear n07")
    assert values("nodes")["nodes"] == []


def test_status_names_excluded_nodes(home: Path) -> None:
    record(home, FAILED, UNWELL)
    said = "New allocations keep away from n07 (score 1.0: its node failed once)."
    assert given("status 1", status=5).stdout.splitlines()[-1] == said
    (excluded,) = values("status 1", 5)["excluded_nodes"]
    assert (excluded["node"], excluded["cluster"]) == ("n07", "ridge")


@pytest.mark.parametrize("excludes", [True, False])
def test_doctor_knows_excluded_nodes(home: Path, excludes: bool) -> None:
    record(home, FAILED, UNWELL)
    target = ProbeTarget(user="ada", home=home, environment={}, excludes_nodes=excludes)
    assert [each.node for each in probe_bad_nodes(target)] == (["n07"] if excludes else [])


def test_plan_names_excluded_nodes() -> None:
    spec = AllocationSpec(token="t", num_cpus=1, memory=GIB, excluded_nodes=("n07", "n3"))  # noqa: S106
    plan = Plan(
        workflow_id=1,
        run_id=1,
        number=1,
        retries=(),
        uninitialized=1,
        left_alone=(),
        adjustments=(),
        scheduler_config_id=None,
        allocations=(spec, spec),
    )
    said = "  Keeping away from nodes that failed jobs: n07, n3"
    assert said in list(plan_lines(plan))
    assert said not in list(plan_lines(replace(plan, allocations=())))
