"""Allocations keep away from nodes on a real cluster, as far as Slurm then has others for them."""

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.rigs.slurm_cluster import SlurmCluster, wait_until
from tests.rigs.torc_on_slurm import TorcAllocations, TorcJob, TorcOnSlurm, specification
from tests.rigs.torc_watchd import TorcWatchd
from torc_watch.core.allocation import AllocationSpec
from torc_watch.core.cause import Cause
from torc_watch.core.node_incident import NodeIncident
from torc_watch.core.units import MIB
from torc_watch.engine.journal import Journal
from torc_watch.schedulers.base import WorkerAssignment
from torc_watch.schedulers.slurm.job_script import RunnerSettings
from torc_watch.schedulers.slurm.slurm_scheduler import SlurmScheduler
from torc_watch.torc.transport import Connection

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _environment(cluster: SlurmCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in cluster.environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def scheduler(tmp_path: Path) -> SlurmScheduler:
    tmp_path.chmod(0o755)
    program = tmp_path / "runner"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    runner = RunnerSettings(command=(str(program),), has_claim_pause=True)
    return SlurmScheduler(tmp_path / "names", runner)


def spec(
    token: str, *excluded: str, options: tuple[str, ...] = (), nodes: int = 1
) -> AllocationSpec:
    return AllocationSpec(
        token=token,
        num_cpus=1,
        memory=300 * MIB,
        num_nodes=nodes,
        runtime=240,
        options=("--partition=short", *options),
        excluded_nodes=excluded,
    )


async def nodes_of(
    given: AllocationSpec, scheduler: SlurmScheduler, cluster: SlurmCluster, out: Path
) -> tuple[str, str]:
    """The nodes on which it runs, and those that it was not to get, as Slurm lists them."""
    work = WorkerAssignment(
        connection=Connection(url="http://localhost:1"),
        workflow_id=42,
        scheduler_config_id=1,
        output_dir=out,
    )
    number = await scheduler.submit(given, work)
    await scheduler.release([number])

    def columns() -> list[str]:
        return cluster.run("squeue", "-h", "-j", str(number), "-o", "%T|%N|%x").strip().split("|")

    wait_until(lambda: columns()[0] == "RUNNING", "allocation runs")
    _, nodes, excluded = columns()
    return nodes, excluded


async def test_allocation_does_not_get_an_excluded_node(
    scheduler: SlurmScheduler, cluster: SlurmCluster, tmp_path: Path
) -> None:
    first, second, third, *_ = cluster.nodes
    plain, _ = await nodes_of(spec("tw42-plain-1"), scheduler, cluster, tmp_path)
    assert plain == first

    moved, _ = await nodes_of(spec("tw42-moved-1", first, second), scheduler, cluster, tmp_path)
    assert moved == third


@pytest.mark.parametrize("option", ["--exclude={}", "-x {}", '--exclude="{}"'])
async def test_exclusion_of_the_user_holds_too(
    scheduler: SlurmScheduler, cluster: SlurmCluster, tmp_path: Path, option: str
) -> None:
    first, second, third, *_ = cluster.nodes
    given = spec("tw42-b-1", second, options=(option.format(first),))
    assert (await nodes_of(given, scheduler, cluster, tmp_path))[0] == third


@pytest.mark.parametrize(
    ("excluded", "nodes"),
    [
        pytest.param(3, 1, id="every node of the partition"),
        pytest.param(1, 3, id="one of as many as are needed"),
    ],
)
async def test_none_is_excluded_where_too_few_would_be_left(
    scheduler: SlurmScheduler, cluster: SlurmCluster, tmp_path: Path, excluded: int, nodes: int
) -> None:
    given = spec("tw42-c-1", *cluster.nodes[:excluded], nodes=nodes)
    _, not_to_get = await nodes_of(given, scheduler, cluster, tmp_path)
    assert not_to_get == ""


async def test_a_node_that_is_gone_from_the_cluster_is_no_obstacle(
    scheduler: SlurmScheduler, cluster: SlurmCluster, tmp_path: Path
) -> None:
    given = spec("tw42-d-1", "nowhere7")
    assert (await nodes_of(given, scheduler, cluster, tmp_path))[0] == cluster.nodes[0]


async def test_names_of_the_cluster_and_its_nodes(
    scheduler: SlurmScheduler, cluster: SlurmCluster
) -> None:
    assert await scheduler.cluster_name() == "testcluster"
    classes = await scheduler.node_classes()
    names = {each.partition: each.names for each in classes if each.memory < 8000 * MIB}
    assert names["short"] == frozenset(cluster.nodes[:3])


def test_round_of_recovery_keeps_away_until_the_node_is_cleared(torc: TorcOnSlurm) -> None:
    """Another workflow has found the node bad. The next round sees what the user clears."""
    ours, bad = TorcWatchd(torc), torc.cluster.nodes[0]
    record_failures_of(bad, torc.folder / "home")
    job = TorcJob(name="a", command=f'hostname; test "$SLURMD_NODENAME" != {bad} && exit 3; exit 4')
    workflow_id = torc.run(specification([job], TorcAllocations(), mode="direct"))
    torc.wait_for_allocations(workflow_id, "complete")
    assert f"{bad}: score 1.00, excluded" in ours.run("nodes")
    assert f"Keeping away from nodes that failed jobs: {bad}" in ours.run("plan", workflow_id)

    ours.run("recover", workflow_id)
    torc.wait_for_allocations(workflow_id, "complete", "complete")
    ours.run("nodes", "clear", bad)
    ours.run("recover", workflow_id)
    torc.wait_for_allocations(workflow_id, "complete", "complete", "complete")

    assert torc.results(workflow_id) == [
        ("a", 1, "failed", 4),
        ("a", 2, "failed", 3),
        ("a", 3, "failed", 4),
    ]


def test_new_workflows_keep_away_too(torc: TorcOnSlurm) -> None:
    ours, bad = TorcWatchd(torc), torc.cluster.nodes[0]
    record_failures_of(bad, torc.folder / "home")
    path = torc.folder / "workflow.yaml"
    path.write_text("name: w\njobs: [{ name: a, command: 'true' }]")

    ours.run("submit-slurm", "--account", "project", "--partition", "short", str(path))
    [number] = torc.allocations(1)
    excluded = torc.cluster.run("squeue", "--states=all", "-h", "-j", str(number), "-o", "%x")
    assert excluded.strip() == bad


def record_failures_of(node: str, home: Path) -> None:
    incident = NodeIncident(
        cluster="testcluster",
        node=node,
        cause=Cause.NODE,
        at=datetime.now(UTC),
        server="http://another",
        workflow_id=99,
        run_id=1,
        job_id=1,
        job_name="x",
    )
    home.mkdir()
    with closing(Journal(home / "journal.db")) as journal:
        journal.incidents.record("", [incident])
