"""Commands that ask Slurm for allocations: what they print, change, and refuse."""

import json
import os
import re
import subprocess
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.acceptance.conftest import Site
from tests.rigs.fake_slurm import FakeSlurm
from tests.rigs.json_shapes import assert_documented, command_of
from tests.rigs.slurm_cluster import wait_until
from torc_watch.core.allocation import AllocationSpec
from torc_watch.core.recovery_round import Plan, Step
from torc_watch.core.units import GIB
from torc_watch.core.workflow_key import WorkflowIdentity
from torc_watch.engine.journal import Journal

pytestmark = pytest.mark.slow

LAYERS = """
name: layers
slurm_defaults: { constraint: "amd&ib" }
resource_requirements:
  - { name: small, num_cpus: 1, memory: 1g, runtime: PT10M }
  - { name: large, num_cpus: 4, memory: 4g, runtime: PT30M }
jobs:
  - name: prepare_{i}
    command: "true"
    resource_requirements: small
    parameters: { i: "1:4" }
  - name: train_{i}
    command: "true"
    resource_requirements: large
    depends_on_regexes: ["prepare_.*"]
    parameters: { i: "1:2" }
"""
CHAIN = """
name: chain
resource_requirements:
  - { name: small, num_cpus: 1, memory: 1g, runtime: PT10M }
jobs:
  - { name: a, command: "true", resource_requirements: small }
  - { name: b, command: "true", resource_requirements: small, depends_on: [a] }
  - { name: c, command: "true", resource_requirements: small, depends_on: [b] }
"""
_RESOURCES = {"num_cpus": 4, "memory_gb": 8, "num_gpus": 0, "num_nodes": 1}
_WORKER = _RESOURCES | {
    "workflow_id": 1,
    "hostname": "n1",
    "pid": 1,
    "is_active": True,
    "compute_node_type": "slurm",
}
_PROFILE = """
default_account = "physics"
detection = { environment = { CLUSTER = "ridge-7" } }
[[partitions]]
name = "batch"
cpus = 4
memory = "8G"
"""
NO_SLURM = "/nowhere"
TOO_LARGE = LAYERS.replace("memory: 4g", "memory: 300g")


class Login:
    """A login node of a cluster with a server of Torc."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.slurm = FakeSlurm.install(site.folder / "slurm")
        self.specification("workflow.yaml", LAYERS)

    def specification(self, name: str, text: str) -> Path:
        path = self.site.folder / name
        path.write_text(text)
        return path

    def run(
        self, words: str, status: int = 0, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        path = f"{self.slurm.bin}:{os.environ['PATH']}"
        done = self.site.run(*words.split(), PATH=path, **variables)
        assert done.returncode == status, done.stdout + done.stderr
        return done

    def json(self, words: str, status: int = 0) -> Any:
        values = json.loads(self.run(f"{words} --json", status).stdout)
        assert_documented(command_of(words), values)
        return values

    def rows(self, path: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.site.request("GET", f"{path}?workflow_id=1")["items"]
        return rows

    def allocations(self) -> dict[int, str]:
        """The status on the server of each allocation, by its number."""
        rows = self.rows("/scheduled_compute_nodes")
        return {row["scheduler_id"]: row["status"] for row in rows}

    def start_worker(self, allocation_id: int, job: str) -> None:
        """A worker that never reports again, with a job that it left in this status."""
        request = self.site.request
        scheduler = {"type": "slurm", "scheduler_id": allocation_id, "slurm_job_id": 100}
        row = _WORKER | {"scheduler": scheduler, "start_time": "2026-01-02T03:04:05Z"}
        worker = request("POST", "/compute_nodes", row)["id"]
        if job != "ready":
            claim = "/workflows/1/claim_jobs_based_on_resources/1"
            [claimed] = request("POST", claim, _RESOURCES)["jobs"]
            if job == "running":
                run = request("GET", "/workflows/1")["run_id"]
                request("PUT", f"/jobs/{claimed['id']}/start_job/{run}/{worker}")

    def actions(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.site.request("GET", "/workflows/1/actions")
        return rows


def begin_round(site: Site, token: str) -> None:
    """A round of recovery that was killed: its watch goes on with this allocation."""
    spec = AllocationSpec(token=token, num_cpus=1, memory=GIB)
    plan = Plan(
        workflow_id=1,
        run_id=1,
        number=1,
        retries=(),
        uninitialized=0,
        left_alone=(),
        adjustments=(),
        scheduler_config_id=None,
        allocations=(spec,),
    )
    site.home.mkdir(exist_ok=True)
    with closing(Journal(site.home / "journal.db")) as journal:
        watch = journal.begin_watch(WorkflowIdentity(server=site.url, workflow_id=1, created=""))
        round_ = journal.begin_round(watch.id, number=1, run_id=1)
        journal.begin_step(round_, Step.PLAN)
        journal.record_plan(round_, plan)


@pytest.fixture
def login(served: Site) -> Login:
    return Login(served)


def test_submit_slurm(login: Login) -> None:
    done = login.run("submit-slurm --account science workflow.yaml")

    assert done.stdout.splitlines() == [
        "Created workflow 1 with 6 jobs",
        "Submitted to Slurm with 1 allocation",
    ]
    assert "more allocation" in done.stderr
    [job] = login.slurm.jobs
    assert job["reason"] == "queued"
    for option in ("account=science", "partition=batch", "cpus-per-task=4", "constraint=amd&ib"):
        assert f"--{option}" in job["text"].replace("'", "")
    prepare, train = login.rows("/slurm_schedulers")
    assert {row["account"] for row in (prepare, train)} == {"science"}
    assert all(row["partition"] == "batch" for row in (prepare, train))
    assert "--cpus-per-task=4" in prepare["extra"]
    tied = {row["name"]: row["scheduler_id"] for row in login.rows("/jobs")}
    assert tied["prepare_3"] == prepare["id"]
    assert tied["train_2"] == train["id"]
    [allocation] = login.rows("/scheduled_compute_nodes")
    assert (allocation["scheduler_id"], allocation["scheduler_config_id"]) == (
        job["number"],
        prepare["id"],
    )
    [action] = login.actions()
    assert (action["trigger_type"], action["executed"]) == ("on_jobs_ready", False)
    assert len(action["job_ids"]) == action["required_triggers"] == 2
    assert action["action_config"]["scheduler_id"] == train["id"]
    workflow = login.site.request("GET", "/workflows/1")
    assert workflow["submission_directory"] == str(login.site.folder)
    assert workflow["execution_config"]["sigterm_lead_seconds"] == 25


def test_workers_look_for_jobs_before_they_leave(login: Login) -> None:
    wait = "compute_node_wait_for_new_jobs_seconds: 30"
    login.specification("workflow.yaml", f"{wait}\n{LAYERS}")
    login.run("submit-slurm --account science workflow.yaml")

    [job] = login.slurm.jobs
    assert "--poll-interval 10" in job["text"]


def test_dry_run_changes_nothing(login: Login) -> None:
    before = login.site.database()
    done = login.run("submit-slurm --account science workflow.yaml --dry-run")
    found = login.json("submit-slurm --account science workflow.yaml --dry-run")

    assert "2031-05-06 07:08" in done.stdout
    assert "after earlier jobs" in done.stdout
    assert done.stdout.endswith("Nothing was changed.\n")
    assert found["created"] is None
    assert found["plan"]["no_fit"] == []
    assert login.slurm.jobs == []
    assert login.site.database() == before
    assert not login.site.output.exists()


@pytest.mark.parametrize("command", ["submit-slurm --account science", "slurm plan"])
def test_job_that_fits_nowhere(login: Login, command: str) -> None:
    login.specification("large.yaml", TOO_LARGE)
    before = login.site.database()
    done = login.run(f"{command} large.yaml", status=2)
    found = login.json(f"{command} large.yaml", status=2)

    assert "train_1" in done.stderr
    assert "Note" not in done.stdout
    [no_fit] = found.get("plan", found)["no_fit"]
    assert no_fit["jobs"] == "large"
    assert (login.slurm.jobs, login.site.database()) == ([], before)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--partition bach", "There is no partition bach (did you mean batch?)."),
        ("--profile kestrl", "Did you mean 'kestrel'?"),
        ("--walltime 25:61:00", "its 61 minutes"),
        ("--walltime UNLIMITED", "needs a limit"),
    ],
)
def test_refused_options(login: Login, words: str, message: str) -> None:
    for command in ("slurm plan", "submit-slurm --account science"):
        done = login.run(f"{command} workflow.yaml {words}", status=2)
        assert message in done.stderr
    assert login.slurm.jobs == []


def test_specification_with_schedulers_of_its_own(login: Login) -> None:
    text = f"{LAYERS}slurm_schedulers: [{{ name: mine, account: a, walltime: '1:00:00' }}]\n"
    login.specification("own.yaml", text)
    done = login.run("submit-slurm --account science own.yaml", status=2)
    assert "own.yaml has slurm_schedulers of its own" in done.stderr
    done = login.run("slurm plan own.yaml")
    assert "submit-slurm refuses the file, or carries out this plan" in done.stderr
    assert "small" in done.stdout
    found = login.json("slurm plan own.yaml")
    assert found["notes"][0].startswith("own.yaml has slurm_schedulers of its own")

    done = login.run("submit-slurm --account science own.yaml --overwrite")
    assert done.stdout.startswith("Created workflow 1 with 6 jobs\n")


def test_partition_that_slurm_refuses(login: Login) -> None:
    """The next one is used; with --partition there is none."""
    login.slurm.refuse("batch")
    done = login.run("slurm plan workflow.yaml")
    assert "Slurm refuses partition batch: Requested node configuration" in done.stderr
    assert "wide" in done.stdout

    done = login.run("submit-slurm --account science --partition batch workflow.yaml", status=2)
    assert "Slurm refuses an allocation in partition batch" in done.stderr
    assert login.slurm.jobs == []

    login.slurm.refuse("batch", "wide")
    done = login.run("submit-slurm --account science workflow.yaml", status=2)
    assert "partition wide: Requested node configuration is not available" in done.stderr
    assert "has no partition" not in done.stderr


_MANY = LAYERS.replace('"1:4"', '"1:30"')
_SHORT = "--account science --partition batch --walltime 0:35:00"


def test_submission_that_is_not_answered_leaves_no_held_jobs(login: Login) -> None:
    """Only of a refusal is it known that the others stand."""
    login.specification("many.yaml", _MANY)
    login.slurm.fall_silent_after(1)
    done = login.run(f"submit-slurm {_SHORT} many.yaml", status=9)

    assert login.slurm.jobs == []
    assert "Workflow 1 is on the server, and 0 of" in done.stderr
    assert done.stdout == "Created workflow 1 with 32 jobs\n"


@pytest.mark.parametrize("option", [(), ("--json",)])
def test_interrupted_submission_leaves_no_held_jobs(login: Login, option: tuple[str, ...]) -> None:
    login.specification("many.yaml", _MANY)
    login.slurm.hang_after(1)
    path = f"{login.slurm.bin}:{os.environ['PATH']}"
    words = ("submit-slurm", *_SHORT.split(), "many.yaml", *option)
    command = login.site.start(*words, PATH=path)
    command.until("Created workflow 1 with 32 jobs")
    wait_until((login.slurm.folder / "hangs").exists, "the second submission")
    assert len(login.slurm.jobs) == 1

    assert command.interrupt() == 130
    assert login.slurm.jobs == []
    assert login.rows("/scheduled_compute_nodes") == []


def test_killed_submission_is_found_again(login: Login) -> None:
    """Nothing but Slurm knows its jobs. Others are of another server, or of a round of recovery."""
    login.specification("many.yaml", _MANY)
    login.slurm.hang_after(2)
    path = f"{login.slurm.bin}:{os.environ['PATH']}"
    command = login.site.start("submit-slurm", *_SHORT.split(), "many.yaml", PATH=path)
    command.until("Created workflow 1")
    wait_until((login.slurm.folder / "hangs").exists, "the third submission")
    held = login.run("slurm regenerate 1 --submit", status=7)
    assert "is already watched by" in held.stderr
    command.kill()
    login.slurm.end_hanging()
    first, second = login.slurm.jobs
    assert {first["reason"], second["reason"]} == {"held"}
    foreign = second | {"number": 50, "text": second["text"].replace(login.site.url, "http://b:1")}
    of_a_round = second | {"number": 51, "name": "tw1-abcdef012-1"}
    begin_round(login.site, of_a_round["name"])
    login.slurm.keep([foreign, of_a_round, first, second])

    found = login.run("slurm plan 1").stderr
    assert "was interrupted: 100, 101. If it was" in found
    assert len(login.slurm.jobs) == 4

    done = login.run("slurm regenerate 1 --submit --partition batch --walltime 0:35:00")
    assert "Canceled what an interrupted submission left held: 100, 101" in done.stdout
    reasons = {job["number"]: job["reason"] for job in login.slurm.jobs}
    assert (reasons.pop(50), reasons.pop(51)) == ("held", "held")
    assert set(reasons.values()) == {"queued"}
    assert len(reasons) == len(login.rows("/scheduled_compute_nodes")) > 2


def test_submission_that_fails_halfway_is_continued(login: Login) -> None:
    login.specification("many.yaml", _MANY)
    words = _SHORT
    wanted = login.json(f"slurm plan many.yaml {words}")["groups"][0]["allocations"]
    assert wanted > 1
    login.slurm.limit(1)
    done = login.run(f"submit-slurm {words} many.yaml", status=9)
    assert (
        f"Workflow 1 is on the server, and 1 of {wanted} allocations were submitted" in done.stderr
    )
    assert "torc-watchd slurm regenerate 1 --submit" in done.stderr

    login.slurm.lift_limit()
    login.run("slurm regenerate 1 --submit --partition batch --walltime 0:35:00")
    assert len(login.slurm.jobs) == wanted
    again = login.json("slurm regenerate 1 --submit --partition batch --walltime 0:35:00")
    assert (again["allocations"], len(login.slurm.jobs)) == ([], wanted)


def test_long_chain_gets_allocations_one_after_the_other(login: Login) -> None:
    login.specification("chain.yaml", CHAIN)
    login.run("submit-slurm --account science --walltime 0:14:00 chain.yaml")

    first, second, third = login.slurm.jobs
    assert "--dependency" not in first["text"]
    assert f"--dependency=afterany:{first['number']}" in second["text"]
    assert f"--dependency=afterany:{second['number']}" in third["text"]
    [row] = login.rows("/slurm_schedulers")
    assert row["serialize_allocations"] is True
    again = login.json("slurm regenerate 1 --submit --walltime 0:14:00")
    assert (again["covered_jobs"], again["allocations"]) == (3, [])


@pytest.mark.parametrize("command", ["submit-slurm workflow.yaml", "slurm regenerate 1 --submit"])
def test_submission_where_there_is_no_slurm(login: Login, command: str) -> None:
    done = login.site.run(*command.split(), "--profile", "kestrel", PATH=NO_SLURM)
    assert (done.returncode, done.stdout) == (2, "")
    assert "submit on a login node of the cluster" in done.stderr


@pytest.mark.parametrize(
    ("words", "variables", "message"),
    [
        ("", {}, "name one with --account"),
        ("--account science", {"TORC_PASSWORD": "open sesame"}, "set password_file to its path"),
        ("--account science", {"TORC_WATCHD_SLURM_RUNNER": "/nowhere"}, "/nowhere"),
        ("--account science -o layers.yaml/a", {}, "layers.yaml/a cannot be used: Not a dir"),
    ],
)
def test_what_a_submission_needs_is_checked_before_any_change(
    login: Login, words: str, variables: dict[str, str], message: str
) -> None:
    login.specification("layers.yaml", LAYERS)
    login.site.submit(LAYERS, "--allocations", "0")
    before = login.site.database()
    for command in ("submit-slurm layers.yaml", "slurm regenerate 1 --submit"):
        for dry_run in ("", " --dry-run"):
            done = login.run(f"{command} {words}{dry_run}", 2, **variables)
            assert message in done.stderr
    assert (login.slurm.jobs, login.site.database()) == ([], before)


@pytest.mark.parametrize(("words", "account"), [("", "physics"), ("--account science", "science")])
def test_default_account_of_the_profile(login: Login, words: str, account: str) -> None:
    folder = login.site.folder / "config" / "torc-watchd" / "hpc"
    folder.mkdir(parents=True)
    (folder / "ridge.toml").write_text(_PROFILE)
    done = login.run(f"submit-slurm workflow.yaml {words} --dry-run", CLUSTER="ridge-7")

    assert f" of account {account}\n" in done.stdout
    said = "Account physics is the default of profile ridge" in done.stderr
    assert said is (account == "physics")

    login.run(f"submit-slurm workflow.yaml {words}", CLUSTER="ridge-7")
    assert {row["account"] for row in login.rows("/slurm_schedulers")} == {account}
    again = login.run("slurm plan 1 --profile kestrel --partition short", CLUSTER="ridge-7")
    assert f" of account {account}\n" in again.stdout
    assert "QOS may be used is not checked: the Slurm of profile kestrel" in again.stderr


def test_plan_of_a_workflow_counts_what_is_queued(login: Login) -> None:
    login.run("submit-slurm --account science workflow.yaml")
    before = login.site.database()
    done = login.run("slurm plan 1")

    assert "Allocations that are queued or running take 4 jobs." in done.stdout
    assert login.site.database() == before


def test_regenerate(login: Login) -> None:
    """The allocation was canceled: its row is closed, and the jobs are left."""
    login.run("submit-slurm --account science workflow.yaml")
    login.slurm.end_all()

    before = login.site.database()
    login.run("slurm regenerate 1 --submit --dry-run")
    assert login.site.database() == before

    done = login.run("slurm regenerate 1 --submit --partition wide")
    assert "Closed the rows of allocations that have ended: 100\n" in done.stdout
    assert "Submitted to Slurm with 1 allocation" in done.stdout
    assert login.allocations() == {100: "complete", 101: "pending"}
    _, job = login.slurm.jobs
    for option in ("account=science", "partition=wide", "constraint=amd&ib"):
        assert f"--{option}" in job["text"].replace("'", "")
    rows = login.rows("/slurm_schedulers")
    assert len(rows) == 4
    tied = {row["name"]: row["scheduler_id"] for row in login.rows("/jobs")}
    assert tied["prepare_1"] == rows[2]["id"]
    assert [action["executed"] for action in login.actions()] == [True, False]


@pytest.mark.parametrize(
    ("job", "closed"), [("running", False), ("pending", False), ("ready", True)]
)
def test_row_of_a_worker_that_may_hold_a_job_is_left_to_a_watch(
    login: Login, job: str, closed: bool
) -> None:
    """The job has to be failed before it is run again."""
    login.run("submit-slurm --account science workflow.yaml")
    [row] = login.rows("/scheduled_compute_nodes")
    login.start_worker(row["id"], job)
    login.slurm.end_all()
    found = login.json("slurm regenerate 1 --submit")

    assert found["closed_allocations"] == ([100] if closed else [])
    assert login.allocations()[100] == ("complete" if closed else "pending")
    [worker] = login.rows("/compute_nodes")
    assert ("duration_seconds" in worker) is closed


def test_regenerate_without_submission(login: Login) -> None:
    """Whoever starts a worker, or submits the workflow with Torc, has the allocations submitted."""
    workflow_id = login.site.submit(LAYERS, "--allocations", "0")
    done = login.run(f"slurm regenerate {workflow_id} --account science")

    assert login.slurm.jobs == []
    assert "will be submitted" in done.stderr
    triggered = [row["trigger_count"] >= row["required_triggers"] for row in login.actions()]
    assert triggered == [True, False]


def test_jobs_without_requirements_are_named(login: Login) -> None:
    login.specification("workflow.yaml", CHAIN.replace(", resource_requirements: small", "", 2))
    for words in ("slurm plan workflow.yaml", "submit-slurm --account a workflow.yaml"):
        done = login.run(words)
        assert "2 jobs (a, b) have no resource requirements" in done.stderr
    done = login.run("slurm plan 1")
    assert "no resource requirements" not in done.stderr  # an allocation has them
    login.slurm.end_all()
    done = login.run("slurm plan 1")
    assert "2 jobs (1 (a), 2 (b)) have no resource requirements" in done.stderr


def test_watched_workflow_is_not_regenerated(login: Login) -> None:
    login.run("submit-slurm --account science workflow.yaml")
    watch = login.site.start("watch", "1", "-p", "1")
    watch.until("Watching")
    done = login.run("slurm regenerate 1 --submit", status=7)
    assert "is already watched by" in done.stderr
    assert "Ctrl-C ends one in a terminal." in done.stderr


def test_workflow_of_the_daemon_is_paused_regenerated_and_resumed(login: Login) -> None:
    """As the message says."""
    login.run("submit-slurm --account science workflow.yaml")
    with TemporaryDirectory() as runtime:  # sockets need a short path
        path = f"{login.slurm.bin}:{os.environ['PATH']}"
        daemon = login.site.start("run", PATH=path, XDG_RUNTIME_DIR=runtime)
        daemon.until("This torc-watchd is active")
        login.run("add 1 --auto-recover", XDG_RUNTIME_DIR=runtime)
        daemon.until("[1] Watching")
        refused = login.run("slurm regenerate 1 --submit", status=7, XDG_RUNTIME_DIR=runtime)
        pause, resume = re.findall(r"`torc-watchd ([^`]+)`", refused.stderr)

        paused = login.run(pause, XDG_RUNTIME_DIR=runtime)
        assert "Workflow 1 paused" in paused.stdout
        login.slurm.end_all()
        done = login.run("slurm regenerate 1 --submit", XDG_RUNTIME_DIR=runtime)
        assert "Submitted to Slurm with 1 allocation" in done.stdout
        resumed = login.run(resume, XDG_RUNTIME_DIR=runtime)
        assert "Workflow 1 resumed" in resumed.stdout
        assert daemon.interrupt() == 0


def test_submitted_workflow_is_watched(login: Login) -> None:
    done = login.run("submit-slurm --account science workflow.yaml --watch")
    assert "Workflow 1 will be added" in done.stdout
    found = login.json("list")
    assert json.dumps(found)


def test_node_hours_of_a_workflow(login: Login) -> None:
    """Two hours of one node were used before the allocation ended."""
    login.run("submit-slurm --account science workflow.yaml")
    [allocation] = login.rows("/scheduled_compute_nodes")
    scheduler = {"type": "slurm", "scheduler_id": allocation["id"], "slurm_job_id": 100}
    row = _WORKER | {"scheduler": scheduler, "start_time": "2026-01-02T03:04:05Z"}
    worker = login.site.request("POST", "/compute_nodes", row)["id"]
    ended = {"is_active": False, "duration_seconds": 7200.0}
    login.site.request("PUT", f"/compute_nodes/{worker}", row | ended)
    login.slurm.end_all()

    done = login.run("recover 1 --max-node-hours 2.1", status=1)
    assert "has used 2.0 of the 2.1 node hours that it may use; the next" in done.stdout
    assert "torc-watchd set 1 --max-node-hours 3" in done.stdout
    assert login.slurm.jobs == []
    plan = login.json("plan 1 --max-node-hours 2.1", status=1)
    assert plan["refusal"]["kind"] == "node_hours"
    login.run("add 1 --max-node-hours 2.1")
    budgets = login.json("status 1")["workflows"][0]["live"]["budgets"]
    assert (budgets["node_hours"], budgets["max_node_hours"]) == (2.0, 2.1)
    assert "Used: 2.0 of 2.1 node hours." in login.run("status 1").stdout
    assert "above 0" in login.run("set 1 --max-node-hours 0", status=2).stderr

    login.run("recover 1 --max-node-hours 99")
    assert len(login.slurm.jobs) == 1
