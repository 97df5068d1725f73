"""The JSON of commands is as docs/json.md describes it."""

import json
import re
import shlex
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.rigs.json_shapes import assert_documented, command_of, differences, documented
from torc_watch.cli import app
from torc_watch.core.allocation import AllocationSpec
from torc_watch.core.assessment import WorkflowState
from torc_watch.core.cause import Cause
from torc_watch.core.model import Requirements
from torc_watch.core.plan_price import price_of
from torc_watch.core.recovery_round import (
    Adjustment,
    Plan,
    Postponement,
    Refusal,
    RefusalKind,
    Repeat,
    Retry,
    Skip,
    Wait,
)
from torc_watch.core.units import GIB
from torc_watch.daemon.commands import WatchedWorkflow, WatchOptions, WatchState
from torc_watch.daemon.lease import this_holder
from torc_watch.daemon.registry import Registry
from torc_watch.daemon.status_file import utc_now, write_status
from torc_watch.daemon.workflow_view import DaemonView, Phase, WorkflowView
from torc_watch.render.plan_text import PlanResult, QuotedPlan, plan_values
from torc_watch.torc import retry_policy

SERVER = "http://127.0.0.1:9/torc-service/v1"  # where no server listens
TUTORIAL = Path(__file__).parents[2] / "examples/tutorial.yaml"
OF_EVENTS = {"watch", "recover", "logs"}
SKIP = Skip(job_id=2, job_name="b", cause=Cause.CODE, reason="a bug", restarts_anyway=False)
PLAN = Plan(
    workflow_id=1,
    run_id=1,
    number=1,
    retries=(
        Retry(job_id=1, job_name="a", cause=Cause.OOM, reason="", memory=(GIB, 2 * GIB)),
        Retry(job_id=3, job_name="c", cause=Cause.NODE, reason="", fingerprint="c: …"),
    ),
    uninitialized=0,
    repeated=(Repeat(job_id=4, job_name="d"),),
    left_alone=(SKIP,),
    adjustments=(
        Adjustment(
            name="more",
            base=Requirements(
                id=1, name="", num_cpus=1, num_gpus=0, num_nodes=1, memory=GIB, runtime=60
            ),
            memory=2 * GIB,
            runtime=60,
            job_ids=(1,),
        ),
    ),
    scheduler_config_id=None,
    allocations=(
        AllocationSpec(token="t", num_cpus=1, memory=GIB, options=("-v",)),  # noqa: S106
    ),
)
RULES = """
[[rule]]
name = "diverged"
cause = "code"
pattern = "solver diverged"
says = "the solver diverged"
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A daemon has published two workflows, and a command waits for it."""
    folder = tmp_path / "home"
    folder.mkdir()
    (tmp_path / "rules.toml").write_text(RULES)
    (tmp_path / "slow.toml").write_text(RULES.replace("solver diverged", ".*[ab].{220}c"))
    (tmp_path / "output.e").write_text("solver diverged\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(retry_policy, "_REQUEST_PAUSE", 0.0)  # no server listens
    monkeypatch.setenv("TORC_WATCHD_HOME", str(folder))
    monkeypatch.setenv("TORC_API_URL", SERVER)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "etc"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    views = (
        WorkflowView(server=SERVER, workflow_id=1, phase=Phase.STARTING),
        WorkflowView(server=SERVER, workflow_id=2, counts={"failed": 1}, max_retries=3),
    )
    view = DaemonView(holder=this_holder(), at=utc_now().isoformat(), workflows=views)
    write_status(folder / "status.json", view)
    options = WatchOptions(max_retries=3, recovery_hook=("notify",), memory_multiplier=2.0)
    with closing(Registry(folder / "journal.db")) as registry:
        for number in (1, 2):
            registry.save(
                WatchedWorkflow(
                    server=SERVER, workflow_id=number, options=options, state=WatchState.WATCHED
                )
            )
    assert given("pause 2").exit_code == 0
    return folder


def given(words: str) -> Any:
    return CliRunner().invoke(app, shlex.split(words))


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("words", "status"),
    [
        ("list", 0),
        ("status 1-2", 5),
        ("add 7", 0),
        *((f"{verb} 1-2", 0) for verb in ("set -m 5", "pause", "resume", "remove")),
        ("config show", 0),
        ("notify list", 0),
        (f"slurm plan {TUTORIAL} --account project --profile kestrel", 0),
        ("rules list", 0),
        ("rules test rules.toml", 0),
        ("rules test rules.toml output.e", 0),
        ("rules test slow.toml", 0),
        ("hpc show kestrel", 0),
        ("hpc partitions kestrel", 0),
    ],
)
def test_output_is_as_described(words: str, status: int) -> None:
    ended = given(f"{words} --json")
    assert ended.exit_code == status, ended.stderr
    assert_documented(command_of(words), json.loads(ended.stdout))


def test_output_before_there_was_a_daemon(home: Path) -> None:
    (home / "status.json").unlink()
    values = json.loads(given("list --json").stdout)
    assert_documented("list", values)
    assert values["holder"] is None


@pytest.mark.parametrize(
    "answer",
    [
        PLAN,
        Refusal(kind=RefusalKind.NOTHING_TO_RETRY, reason="", left_alone=(SKIP,)),
        Postponement(
            not_before=utc_now(),
            until=utc_now(),
            awaits_room=True,
            waits=(Wait(cause=Cause.FILE_SYSTEM_FULL, jobs=1, not_before=utc_now()),),
            retries=PLAN.retries,
        ),
        WorkflowState.FINISHED,
    ],
)
def test_plan_is_as_described(answer: PlanResult) -> None:
    quoted = QuotedPlan("7f3a2c1b", price_of(answer)) if isinstance(answer, Plan) else None
    values = json.loads(json.dumps({"version": 1, **plan_values(1, answer, ["a note"], quoted)}))
    assert_documented("plan", values)


def test_every_command_with_json_is_described() -> None:
    described = documented().keys()
    commands = set(_with_json())
    assert commands - OF_EVENTS <= described
    assert commands >= OF_EVENTS
    assert OF_EVENTS.isdisjoint(described)


def _with_json(words: tuple[str, ...] = ()) -> Iterator[str]:
    text = CliRunner().invoke(app, [*words, "--help"]).stdout
    if "  --json " in text:
        yield " ".join(words)
    listed = text.partition("\nCommands:\n")[2].partition("\n\n")[0]
    for name in re.findall(r"^  ([\w-]+)", listed, re.MULTILINE):
        yield from _with_json((*words, name))


def test_types_of_the_page_are_known_and_named_shapes_are_there() -> None:
    page = documented()
    kinds = {kind for rows in page.values() for kind in rows.values()}
    named = {name for kind in kinds for name in re.findall(r"\[(.+?)\]", kind)}
    assert named <= page.keys()
    assert all(name.replace(" ", "-") in "".join(kinds) for name in named)


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"new": 1}, "sandbox serve: new is not described"),
        ({"url": None}, "sandbox serve url is no string: None"),
        ({"version": True}, "sandbox serve version is no integer: True"),
        ({"version": "1"}, "sandbox serve version is no integer: '1'"),
    ],
)
def test_what_differs_is_found(changed: dict[str, Any], problem: str) -> None:
    values = {"version": 1, "url": "", "api": "1.0", "directory": ""}
    assert list(differences("sandbox serve", values)) == []
    assert list(differences("sandbox serve", values | changed)) == [problem]
    assert list(differences("sandbox serve", {})) == [
        f"sandbox serve: {key} is missing" for key in ("api", "directory", "url", "version")
    ]


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"counts": {"failed": "1"}}, "counts failed is no integer: '1'"),
        ({"counts": []}, "counts is no map of integer: []"),
        ({"phase": None}, "phase is no string: None"),
    ],
)
def test_what_differs_inside_is_found(changed: dict[str, Any], problem: str) -> None:
    rows = documented()["watched workflow"]
    view = {key: None if kind.endswith(" or null") else "" for key, kind in rows.items()}
    right = view | {"workflow_id": 1, "round": 0}
    values = {"version": 1, "trouble": "", "waiting": [], "workflows": [right]}
    assert list(differences("list --watch", values)) == []
    values["workflows"] = [right | changed]
    assert list(differences("list --watch", values)) == [f"list --watch workflows {problem}"]
