"""What Slurm's commands print of a cluster, as descriptions of it: all the spellings of sites."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torc_watch.core.errors import SchedulerUnreachable
from torc_watch.core.units import GIB, KIB, MIB, TIB
from torc_watch.planner.cluster_description import (
    EVERYBODY,
    Access,
    NodeKind,
    Partition,
    Reservation,
    Tres,
)
from torc_watch.schedulers.slurm.cluster_settings import (
    ClusterSettings,
    MemoryBound,
    parse_settings,
)
from torc_watch.schedulers.slurm.limit_text import read_count, read_size, read_tres
from torc_watch.schedulers.slurm.node_record import (
    NodeRecord,
    node_kinds,
    parse_nodes,
    read_gres,
)
from torc_watch.schedulers.slurm.partition_record import parse_partition_records
from torc_watch.schedulers.slurm.reservation_record import parse_reservations

_SETTINGS = ClusterSettings(name="c")
# As 22.05, and 24.11 with what it has added, print them; words of the settings of sites differ.
_PARTITION = (
    "PartitionName=gpu AllowGroups=ALL AllowAccounts=ALL AllowQos=ALL AllocNodes=ALL Default=NO "
    "QoS=N/A DefaultTime=NONE DisableRootJobs=NO ExclusiveUser=NO GraceTime=0 Hidden=NO "
    "MaxNodes=UNLIMITED MaxTime=UNLIMITED MinNodes=0 LLN=NO MaxCPUsPerNode=UNLIMITED "
    "Nodes=c[1-3] PriorityJobFactor=1 PriorityTier=1 RootOnly=NO ReqResv=NO OverSubscribe=NO "
    "OverTimeLimit=NONE PreemptMode=REQUEUE State=UP TotalCPUs=312 TotalNodes=3 "
    "SelectTypeParameters=NONE JobDefaults=(null) DefMemPerNode=UNLIMITED MaxMemPerNode=UNLIMITED "
    "TRES=cpu=310,mem=2000000M,node=3,billing=798 TRESBillingWeights=CPU=1.0,Mem=0.25G"
)
_NODE = (
    "NodeName=c1 Arch=x86_64 CoresPerSocket=1  CPUAlloc=0 CPUEfctv=102 CPUTot=104 CPULoad=0.85 "
    "AvailableFeatures=h100,nvme ActiveFeatures=h100 Gres=gpu:h100:4(S:0-1),tmpdisk:100 "
    "NodeAddr=c1 NodeHostName=c1 Version=24.11.5 OS=Linux 6.1 #1 SMP PREEMPT_DYNAMIC @0  "
    "RealMemory=250000 AllocMem=0 FreeMem=N/A Sockets=104 Boards=1 CoreSpecCount=2 "
    "MemSpecLimit=1000 State=IDLE ThreadsPerCore=1 TmpDisk=0 Weight=1 Owner=N/A MCS_label=N/A "
    "Partitions=gpu,all  BootTime=None SlurmdStartTime=None CfgTRES=cpu=102,mem=250000M,billing=165"
    " AllocTRES= Reason=it says State=DOWN Partitions=none [root@1795936424]"
)
_CLUSTER = """\
Configuration data as of 2026-11-29T06:14:20
AccountingStorageEnforce = associations,limits,qos,safe
AccountingStorageType   = accounting_storage/slurmdbd
ClusterName             = testcluster
DefMemPerCPU            = 100
MaxMemPerNode           = UNLIMITED
SelectType              = select/cons_tres
SlurmctldHost[0]        = vm(127.0.0.1)

Slurmctld(primary) at vm is UP
"""


def partition(*changes: tuple[str, str], settings: ClusterSettings = _SETTINGS) -> Partition:
    text = _PARTITION
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (found,) = parse_partition_records(f"A banner\n{text}\n", settings=settings, kinds={})
    return found


@pytest.mark.parametrize(
    ("mode", "tier", "is_preemptible"),
    [("REQUEUE", 1, True), ("REQUEUE", 9, False), ("CANCEL", 8, True), ("OFF", 1, False)],
)
def test_partition_makes_way_for_those_of_higher_tiers(
    mode: str, tier: int, *, is_preemptible: bool
) -> None:
    text = _PARTITION.replace("PreemptMode=REQUEUE", f"PreemptMode={mode}")
    text = text.replace("PriorityTier=1", f"PriorityTier={tier}")
    highest = _PARTITION.replace("PriorityTier=1", "PriorityTier=9").replace("=gpu ", "=high ")
    found, _ = parse_partition_records(f"{text}\n{highest}\n", settings=_SETTINGS, kinds={})
    assert found.is_preemptible is is_preemptible


def node(state: str = "IDLE", *, gres: str = "(null)", name: str = "c1") -> NodeRecord:
    text = _NODE.replace("State=IDLE", f"State={state}").replace("=c1 ", f"={name} ")
    (found,) = parse_nodes(text.replace("gpu:h100:4(S:0-1),tmpdisk:100", gres))
    return found


def names(*allowed: str) -> Access:
    return Access(allowed=frozenset(allowed))


def test_partition_without_limits() -> None:
    assert partition() == Partition(name="gpu")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("State=UP", "State=DOWN", {"state": "DOWN"}),
        ("State=UP", "State=DRAIN", {"state": "DRAIN"}),
        ("State=UP", "State=INACTIVE", {"state": "INACTIVE"}),
        ("Default=NO", "Default=YES", {"is_default": True}),
        ("QoS=N/A", "QoS=part_gpu", {"qos": "part_gpu"}),
        ("MaxTime=UNLIMITED", "MaxTime=2-00:00:00", {"max_runtime": 172800}),
        ("MaxTime=UNLIMITED", "MaxTime=00:05:00", {"max_runtime": 300}),
        ("MaxTime=UNLIMITED", "MaxTime=infinite", {"max_runtime": None}),
        ("DefaultTime=NONE", "DefaultTime=01:00:00", {"default_runtime": 3600}),
        ("MaxNodes=UNLIMITED", "MaxNodes=2", {"max_nodes": 2}),
        ("MaxNodes=UNLIMITED", "MaxNodes=0", {"max_nodes": 0}),
        ("MinNodes=0", "MinNodes=2", {"min_nodes": 2}),
        ("MaxCPUsPerNode=UNLIMITED", "MaxCPUsPerNode=64", {"max_cpus_per_node": 64}),
        ("MaxMemPerNode=UNLIMITED", "MaxMemPerNode=1000", {"max_memory_per_node": 1000 * MIB}),
        ("MaxMemPerNode=UNLIMITED", "MaxMemPerCPU=500", {"max_memory_per_cpu": 500 * MIB}),
        ("MaxMemPerNode=UNLIMITED", "MaxMemPerNode=lots", {"max_memory_per_node": None}),
        ("DefMemPerNode=UNLIMITED", "DefMemPerCPU=200", {"default_memory_per_cpu": 200 * MIB}),
        ("OverSubscribe=NO", "OverSubscribe=EXCLUSIVE", {"is_exclusive": True}),
        ("OverSubscribe=NO", "OverSubscribe=FORCE:4", {"is_exclusive": False}),
        ("AllowAccounts=ALL", "AllowAccounts=a,b", {"accounts": names("a", "b")}),
        ("AllowAccounts=ALL", "DenyAccounts=a", {"accounts": Access(denied=frozenset("a"))}),
        ("AllowQos=ALL", "AllowQos=q1,q2", {"allowed_qos": names("q1", "q2")}),
        ("AllowQos=ALL", "DenyQos=q1", {"allowed_qos": Access(denied=frozenset({"q1"}))}),
        ("AllowGroups=ALL", "AllowGroups=g", {"groups": names("g")}),
        ("AllowGroups=ALL", "AllowGroups=(null)", {"groups": EVERYBODY}),
        ("RootOnly=NO", "RootOnly=YES", {"groups": names("root")}),
        ("Hidden=NO", "Hidden=YES", {"is_on_request": True}),
        ("ReqResv=NO", "ReqResv=YES", {"is_on_request": True}),
    ],
)
def test_setting_of_a_partition(old: str, new: str, expected: dict[str, object]) -> None:
    found = partition((old, new))

    assert {name: getattr(found, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("name", "default", "is_on_request"),
    [
        ("debug", "NO", True),
        ("debug", "YES", False),  # what Slurm calls the only partition of a new cluster
        ("gpu-debug", "NO", True),
        ("Interactive_2h", "NO", True),
        ("debugger", "NO", False),
    ],
)
def test_partition_that_is_named_for_other_uses(
    name: str, default: str, is_on_request: bool
) -> None:
    found = partition(("=gpu ", f"={name} "), ("Default=NO", f"Default={default}"))

    assert found.is_on_request == is_on_request


@pytest.mark.parametrize(
    ("own", "cluster", "per_cpu"),
    [
        ("DefMemPerNode=UNLIMITED", MemoryBound(per_cpu=MIB), MIB),
        ("DefMemPerCPU=200", MemoryBound(per_cpu=MIB), 200 * MIB),
        ("DefMemPerNode=500", MemoryBound(per_cpu=MIB), None),
    ],
)
def test_partition_without_its_own_memory_has_that_of_the_cluster(
    own: str, cluster: MemoryBound, per_cpu: int | None
) -> None:
    settings = ClusterSettings(name="c", default_memory=cluster)

    found = partition(("DefMemPerNode=UNLIMITED", own), settings=settings)

    assert found.default_memory_per_cpu == per_cpu


@pytest.mark.parametrize(
    ("sharing", "is_exclusive"),
    [("NO", True), ("EXCLUSIVE", True), ("YES:4", False), ("FORCE:4", False)],
)
def test_sharing_where_the_cluster_allocates_whole_nodes(sharing: str, is_exclusive: bool) -> None:
    settings = ClusterSettings(name="c", has_whole_nodes=True)

    found = partition(("OverSubscribe=NO", f"OverSubscribe={sharing}"), settings=settings)

    assert found.is_exclusive == is_exclusive


def test_node_has_for_jobs_what_is_not_kept_from_them() -> None:
    """Neither the reason, which people write, nor the operating system is taken for fields."""
    assert parse_nodes(f"A banner\n{_NODE}\n") == (
        NodeRecord(
            name="c1",
            partitions=("gpu", "all"),
            kind=NodeKind(
                num_cpus=102,
                memory=249000 * MIB,
                gpus={"h100": 4},
                features=frozenset({"h100", "nvme"}),
                count=1,
                idle=1,
            ),
        ),
    )


@pytest.mark.parametrize(
    ("state", "count", "idle"),
    [
        ("IDLE", 1, 1),
        ("MIXED", 1, 0),
        ("ALLOCATED", 1, 0),
        ("IDLE+COMPLETING", 1, 0),
        ("IDLE+PLANNED", 1, 0),
        ("IDLE+RESERVED", 1, 0),
        ("IDLE+MAINTENANCE", 1, 0),
        ("IDLE+CLOUD+POWERED_DOWN", 1, 1),
        ("IDLE+CLOUD+NOT_RESPONDING+POWERING_UP", 1, 0),
        ("IDLE~", 1, 1),
        ("MIXED-", 1, 0),
        ("IDLE*", 1, 0),
        ("IDLE*+CLOUD+POWERED_DOWN", 1, 1),
        ("IDLE+NOT_RESPONDING", 1, 0),
        ("IDLE+DRAIN", 0, 0),
        ("MIXED+DRAIN", 0, 0),
        ("ALLOCATED*+DRAIN", 0, 0),
        ("IDLE+FAIL", 0, 0),
        ("DOWN", 0, 0),
        ("DOWN*", 0, 0),
        ("DOWN$", 0, 0),
        ("DOWN+CLOUD+POWERED_DOWN", 0, 0),
        ("IDLE+INVALID_REG", 0, 0),
        ("UNKNOWN", 1, 0),
        ("FUTURE", 0, 0),
        ("IDLE+SOMETHING_NEW", 1, 0),
    ],
)
def test_state_of_a_node(state: str, count: int, idle: int) -> None:
    found = node(state).kind

    assert (found.count, found.idle) == (count, idle)


@pytest.mark.parametrize(
    ("text", "gpus"),
    [
        ("(null)", {}),
        ("", {}),
        ("gpu:4", {"": 4}),
        ("gpu", {"": 1}),
        ("gpu:h100", {"h100": 1}),
        ("gpu:h100:4(S:0-1)", {"h100": 4}),
        ("gpu:h100:2(S:0,3),gpu:a100:1(S:1)", {"h100": 2, "a100": 1}),
        ("gpu:1g.5gb:7,gpu:a100:1", {"1g.5gb": 7, "a100": 1}),
        ("tmpdisk:100,gpu:2(S:0)", {"": 2}),
        ("gpu_mem:40,mps:400,shard:gpu:2", {}),
        ("gpu:h100:2,gpu:h100:2", {"h100": 4}),
    ],
)
def test_gpus_of_a_node(text: str, gpus: dict[str, int]) -> None:
    assert read_gres(text) == gpus


def test_nodes_that_are_alike_are_one_kind_of_each_partition() -> None:
    nodes = [
        node(name="c1"),
        node("IDLE+DRAIN", name="c2"),
        node("MIXED", name="c3"),
        node(gres="gpu:2", name="c4"),
    ]

    kinds = node_kinds(nodes)

    assert kinds.keys() == {"gpu", "all"}
    assert kinds["gpu"] == kinds["all"]
    assert [(each.num_gpus, each.count, each.idle) for each in kinds["gpu"]] == [
        (0, 2, 1),
        (2, 1, 1),
    ]


@given(st.lists(st.sampled_from(["IDLE", "MIXED", "DOWN", "IDLE+DRAIN"])))
def test_no_node_is_counted_twice_or_lost(states: Sequence[str]) -> None:
    kinds = node_kinds([node(state) for state in states]).get("gpu", ())

    assert sum(kind.count for kind in kinds) == sum(state in {"IDLE", "MIXED"} for state in states)
    assert sum(kind.idle for kind in kinds) == states.count("IDLE")


_RESERVATION = (
    "ReservationName=maint StartTime=1795936424 EndTime=1795943624 Duration=02:00:00 "
    "Nodes=c[1-2],x1 NodeCnt=3 CoreCnt=12 Features=(null) PartitionName=(null) "
    "Flags=MAINT,IGNORE_JOBS,SPEC_NODES TRES=cpu=12 Users=root State=INACTIVE"
)


@pytest.mark.parametrize(
    ("flags", "is_maintenance"), [("MAINT,SPEC_NODES", True), ("(null)", False), ("", False)]
)
def test_reservation_counts_the_nodes_of_each_partition(flags: str, is_maintenance: bool) -> None:
    text = _RESERVATION.replace("MAINT,IGNORE_JOBS,SPEC_NODES", flags)
    nodes = [node(name=name) for name in ("c1", "c2", "c3")]

    assert parse_reservations(text, nodes) == (
        Reservation(
            name="maint",
            begins=datetime(2026, 11, 29, 7, 13, 44, tzinfo=UTC),
            ends=datetime(2026, 11, 29, 9, 13, 44, tzinfo=UTC),
            is_maintenance=is_maintenance,
            nodes={"gpu": 2, "all": 2},
        ),
    )


@pytest.mark.parametrize(
    "text",
    [
        "No reservations in the system\n",
        _RESERVATION.replace("c[1-2],x1", "(null)"),  # of licenses
        _RESERVATION.replace("1795936424", "Unknown"),
    ],
)
def test_no_reservation_of_nodes(text: str) -> None:
    assert parse_reservations(text, [node()]) == ()


def test_settings_of_the_cluster() -> None:
    assert parse_settings(_CLUSTER) == ClusterSettings(
        name="testcluster",
        requires_associations=True,
        enforces_limits=True,
        default_memory=MemoryBound(per_cpu=100 * MIB),
    )


@pytest.mark.parametrize(
    ("enforced", "requires_associations", "enforces_limits"),
    [
        ("none", False, False),
        ("associations", True, False),
        ("associations,qos", True, False),
        ("associations,limits", True, True),
        ("safe", True, True),
    ],
)
def test_what_accounting_enforces(
    enforced: str, requires_associations: bool, enforces_limits: bool
) -> None:
    settings = parse_settings(_CLUSTER.replace("associations,limits,qos,safe", enforced))

    assert settings.requires_associations == requires_associations
    assert settings.enforces_limits == enforces_limits


@pytest.mark.parametrize("kind", ["(null)", "accounting_storage/none"])
def test_cluster_without_accounting(kind: str) -> None:
    settings = parse_settings(_CLUSTER.replace("accounting_storage/slurmdbd", kind))

    assert not settings.requires_associations
    assert not settings.enforces_limits


@pytest.mark.parametrize("text", ["", "Welcome to the cluster\n"])
def test_answer_without_records_is_none(text: str) -> None:
    for parse in (
        parse_settings,
        parse_nodes,
        lambda answer: parse_reservations(answer, []),
        lambda answer: parse_partition_records(answer, settings=_SETTINGS, kinds={}),
    ):
        with pytest.raises(SchedulerUnreachable):
            parse(text)


@pytest.mark.parametrize(
    ("text", "number"),
    [("", None), ("UNLIMITED", None), ("N/A", None), ("0", 0), ("64", 64), ("-1", None)],
)
def test_count(text: str, number: int | None) -> None:
    assert read_count(text) == number


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4000", 4000 * MIB),
        ("10G", 10 * GIB),
        ("1.5T", TIB + 512 * GIB),
        ("1.50T", TIB + 512 * GIB),
        ("512K", 512 * KIB),
        ("0", 0),
        ("4000Mc", None),
        ("UNLIMITED", None),
        ("-1", None),
        ("", None),
    ],
)
def test_size(text: str, size: int | None) -> None:
    assert read_size(text) == size


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("", Tres()),
        (
            "cpu=8,gres/gpu:h100=1,gres/gpu=2,mem=100G,node=3",
            Tres(num_cpus=8, memory=100 * GIB, num_nodes=3, num_gpus=2),
        ),
        ("cpu=many,billing=7,energy=1", Tres()),
        ("gres/gpu:h100=1", Tres()),
    ],
)
def test_limits_on_amounts(text: str, limits: Tres) -> None:
    assert read_tres(text) == limits


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        ("KillWait                = 2 sec", 2),
        ("KillWait                = 65533 sec", 65_533),
        ("KillWait                = (null)", None),
        ("KillWait                = -1 sec", None),
        ("KillWait is 30 sec on this cluster", None),
        ("Note: KillWait = 30 sec", None),
        ("UnkillableStepTimeout   = 60 sec", None),
    ],
)
def test_kill_wait_of_the_cluster(line: str, seconds: int | None) -> None:
    assert parse_settings(f"ClusterName = c\n{line}\n").kill_wait == seconds
