"""What a real cluster is said to be: the partitions and limits of its configuration."""

import getpass
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from signal import SIGTERM

import pytest

from tests.rigs.slurm_cluster import SlurmCluster, wait_until
from torc_watch.core.errors import SchedulerUnreachable
from torc_watch.core.units import GIB, MIB
from torc_watch.planner.cluster_description import (
    Access,
    Association,
    ClusterDescription,
    Limits,
    NodeKind,
    Partition,
    Qos,
    Reservation,
    Tres,
)
from torc_watch.schedulers.slurm.cluster_query import current_user, describe_cluster

pytestmark = pytest.mark.slow

_DAY = 24 * 60 * 60
_SMALL = NodeKind(num_cpus=4, memory=4000 * MIB, count=3, idle=3)
_LARGE = NodeKind(num_cpus=8, memory=16000 * MIB, count=1, idle=1)


@pytest.fixture(autouse=True)
def _environment(cluster: SlurmCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in cluster.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SLURM_TIME_FORMAT", "%A")  # a user's, which must not reach the commands


def _partition(name: str, runtime: int | None, **more: object) -> Partition:
    values = {"kinds": (_SMALL,), "default_memory_per_cpu": 100 * MIB} | more
    return Partition(name=name, max_runtime=runtime, **values)  # type: ignore[arg-type]


def _all_idle(cluster: SlurmCluster) -> bool:
    return set(cluster.run("sinfo", "-h", "-N", "-o", "%t").split()) == {"idle"}


def _association(account: str) -> Association:
    return Association(
        account=account,
        qos=("limited", "normal", "waiting"),
        is_default=account == "science",
    )


async def test_whole_cluster() -> None:
    description = await describe_cluster(current_user())

    assert description.associations is not None
    assert {each.account: each for each in description.associations} == {
        account: _association(account) for account in ("science", "project", "root")
    }
    assert description == ClusterDescription(
        name="testcluster",
        source="the cluster itself",
        partitions=(
            _partition("short", 300),
            _partition("standard", _DAY, is_default=True),
            _partition("bigmem", _DAY, kinds=(_LARGE,)),
            _partition("preemptible", _DAY, is_preemptible=True),
            _partition("debug", 1800, max_nodes=1, is_on_request=True),
            _partition("down", None, state="DOWN", is_preemptible=True),
            _partition("project", None, accounts=Access(allowed=frozenset({"project"}))),
        ),
        groups=current_user().groups,
        qos={
            "normal": Qos(name="normal"),
            "limited": Qos(name="limited", limits=Limits(max_runtime=600, max_submitted=2)),
            "waiting": Qos(name="waiting", limits=Limits(max_running=1)),
        },
        associations=description.associations,
    )


async def test_nodes_that_are_drained_busy_or_reserved(cluster: SlurmCluster) -> None:
    drained, busy, kept, _ = cluster.nodes
    begins = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    start = f"starttime={begins.astimezone().strftime('%Y-%m-%dT%H:%M:%S')}"
    cluster.run(
        *("scontrol", "create", "reservation", "reservationname=repair", start, "duration=120"),
        *("flags=maint,ignore_jobs", "users=root", f"nodes={kept}"),
    )
    cluster.run("scontrol", "update", f"nodename={drained}", "state=drain", "reason=State=IDLE")
    try:
        running = cluster.submit("sleep 600", "-p", "short", "-w", busy)
        cluster.wait_for_queue_state(running, "RUNNING")
        cluster.submit("true", "-p", "standard", "--hold", "--array=1-3")
        description = await describe_cluster(current_user())
    finally:
        cluster.run("scontrol", "update", f"nodename={drained}", "state=resume")
        cluster.run("scontrol", "delete", "reservation=repair")

    short, bigmem = description.partition("short"), description.partition("bigmem")
    assert short is not None
    assert bigmem is not None
    assert short.kinds == (NodeKind(num_cpus=4, memory=4000 * MIB, count=2, idle=1),)
    assert bigmem.kinds == (_LARGE,)
    assert description.queued == 4
    assert description.reservations == (
        Reservation(
            name="repair",
            begins=begins,
            ends=begins + timedelta(hours=2),
            is_maintenance=True,
            nodes=Counter(short=1, standard=1, preemptible=1, debug=1, down=1, project=1),
        ),
    )


async def test_limits_of_associations_and_of_the_accounts_above(cluster: SlurmCluster) -> None:
    user = getpass.getuser()
    own = ("user", user, "where", "account=nested", "set")
    changes: tuple[tuple[str, ...], ...] = (
        ("add", "account", "nested", "parent=project", "description=tests", "organization=tests"),
        ("add", "user", user, "account=nested"),
        ("add", "user", user, "account=nested", "partition=bigmem"),
        ("modify", "account", "project", "set", "GrpTRES=cpu=40,node=3", "GrpSubmitJobs=9"),
        ("modify", "account", "nested", "set", "GrpTRES=cpu=60,mem=1536G", "MaxWall=1-0"),
        ("modify", *own, "MaxTRES=mem=2G", "MaxTRESPerNode=cpu=3", "MaxJobs=5"),
        ("add", "qos", "large", "MaxTRESPU=node=2", "GrpTRES=cpu=30", "Flags=PartitionTimeLimit"),
    )
    reversals: tuple[tuple[str, ...], ...] = (
        ("delete", "user", user, "where", "account=nested"),
        ("delete", "account", "nested"),
        ("modify", "account", "project", "set", "GrpTRES=cpu=-1,node=-1", "GrpSubmitJobs=-1"),
        ("delete", "qos", "large"),
    )
    for words in changes:
        cluster.run("sacctmgr", "-i", "-Q", *words)
    try:
        description = await describe_cluster(current_user())
    finally:
        for words in reversals:
            cluster.run("sacctmgr", "-i", "-Q", *words)

    assert description.qos is not None
    assert description.qos["large"] == Qos(
        name="large",
        limits=Limits(per_user=Tres(num_nodes=2), in_all=Tres(num_cpus=30)),
        overrides_partition_runtime=True,
    )
    nested = [each for each in description.associations or () if each.account == "nested"]
    assert {each.partition for each in nested} == {"", "bigmem"}
    assert {each.limits for each in nested} == {
        Limits(
            max_runtime=_DAY,
            per_job=Tres(memory=2 * GIB),
            per_node=Tres(num_cpus=3),
            in_all=Tres(num_cpus=40, num_nodes=3, memory=1536 * GIB),
            max_submitted=9,
            max_running=5,
        )
    }


async def test_cluster_without_accounting_whose_controller_has_just_started(
    cluster: SlurmCluster,
) -> None:
    """Its nodes, which have not answered yet, count as ones that will."""
    path = cluster.site.configuration
    configuration = path.read_text()
    with cluster.without("slurmctld", SIGTERM):  # a crash would undo what earlier tests restored
        path.write_text(re.sub(r"AccountingSto\w+=.*\n", "", configuration))
    try:
        description = await describe_cluster(current_user())
    finally:
        with cluster.without("slurmctld", SIGTERM):
            path.write_text(configuration)
        wait_until(lambda: _all_idle(cluster), "idle nodes")

    assert (description.qos, description.associations) == (None, None)
    short = description.partition("short")
    assert short is not None
    assert [kind.count for kind in short.kinds] == [3]


async def test_accounting_that_is_down(cluster: SlurmCluster) -> None:
    """Limits that hold cannot be known: there is no description without them."""
    with cluster.without("slurmdbd"), pytest.raises(SchedulerUnreachable, match="sacctmgr"):
        await describe_cluster(current_user())
