"""Files of HPC profiles: what they say, what is refused, and that written ones are read back."""

import string
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torc_watch.core.errors import InvalidInput
from torc_watch.core.units import GIB, KIB, MIB
from torc_watch.hpc.profile import Detection, HpcProfile, ProfilePartition, profile_of
from torc_watch.hpc.profile_file import parse_profile
from torc_watch.hpc.profile_text import host_pattern, profile_text
from torc_watch.planner.cluster_description import (
    UNKNOWN_COUNT,
    Access,
    ClusterDescription,
    NodeKind,
    Partition,
)

FULL = """
name = "ridge"
display_name = "Ridge"
description = "A cluster"
documentation = "https://ridge.example.org"
support = "help@example.org"
default_account = "physics"

[detection]
environment = { SITE = "ridge", CLUSTER = "ridge" }
hostnames = ["ridge-login*"]

[[partitions]]
name = "batch"
description = "For all"
default = true
cpus = 64
memory = "251G"
gpus = 2
features = ["nvme", "avx"]
nodes = 100
local_disk = "2T"
max_walltime = "2-00:00:00"
default_walltime = "PT1H"
min_nodes = 2
max_nodes = 10
max_nodes_per_user = 20
max_cpus_per_node = 60
max_memory_per_node = "250G"
max_memory_per_cpu = "4000M"
default_memory_per_cpu = "2000MB"
shared = true
requires_explicit_request = true
qos = "normal"
allow_accounts = ["physics"]
deny_accounts = ["guests"]
allow_groups = ["staff"]
allow_qos = []
charge = 2.5

[[partitions]]
name = "mixed"
max_walltime = "UNLIMITED"

[[partitions.node_types]]
cpus = 32
memory = "64000M"
nodes = 4

[[partitions.node_types]]
cpus = 64
memory = "128000M"
gpus = { h100 = 4, a100 = 0 }
"""


def test_everything_that_a_profile_can_say() -> None:
    batch = Partition(
        name="batch",
        is_default=True,
        kinds=(
            NodeKind(
                num_cpus=64,
                memory=251 * GIB,
                gpus={"": 2},
                features=frozenset(("nvme", "avx")),
                count=100,
            ),
        ),
        max_runtime=2 * 86400,
        default_runtime=3600,
        min_nodes=2,
        max_nodes=10,
        max_nodes_per_user=20,
        max_cpus_per_node=60,
        max_memory_per_node=250 * GIB,
        max_memory_per_cpu=4000 * MIB,
        default_memory_per_cpu=2000 * MIB,
        is_on_request=True,
        qos="normal",
        accounts=Access(allowed=frozenset(["physics"]), denied=frozenset(["guests"])),
        groups=Access(allowed=frozenset(["staff"])),
        allowed_qos=Access(allowed=frozenset()),
        charge=2.5,
    )
    mixed = Partition(
        name="mixed",
        is_exclusive=True,
        kinds=(
            NodeKind(num_cpus=32, memory=64000 * MIB, count=4),
            NodeKind(num_cpus=64, memory=128000 * MIB, gpus={"h100": 4}, count=UNKNOWN_COUNT),
        ),
    )
    profile = parse_profile(FULL, "ridge")

    assert profile == HpcProfile(
        name="ridge",
        display_name="Ridge",
        description="A cluster",
        documentation="https://ridge.example.org",
        support="help@example.org",
        default_account="physics",
        detection=Detection(
            environment=(("SITE", "ridge"), ("CLUSTER", "ridge")), hostnames=("ridge-login*",)
        ),
        partitions=(
            ProfilePartition(partition=batch, description="For all", local_disk=2048 * GIB),
            ProfilePartition(partition=mixed),
        ),
    )
    assert profile.cluster() == ClusterDescription(
        name="ridge", source="profile ridge", partitions=(batch, mixed)
    )


def test_example_of_the_documentation() -> None:
    text = (Path(__file__).parents[2] / "docs" / "hpc-profiles.md").read_text(encoding="utf-8")
    profile = parse_profile(text.partition("```toml\n")[2].partition("```")[0], "ridge")

    assert [len(each.partition.kinds) for each in profile.partitions] == [1, 2]


BATCH = '[[partitions]]\nname = "batch"\ncpus = 4\nmemory = "8G"\n'
REFUSED = [
    ("", "partitions: is missing"),
    ("partitions = 3", "partitions: 3 is not a list of tables: write [[partitions]]"),
    ("[[partition]]", "partition: there is no such key. Did you mean 'partitions'?"),
    ('name = "other"', "name: 'other' is not the name of the file: call it other.toml"),
    ("name = 5", "name: 5 is not a text: put it in quotes."),
    ("detection = 1", "detection: 1 is not a table: write [detection]"),
    ("[detection]\nenvironment = { A = 1 }", "detection.environment: {'A': 1} is not such as"),
    ('[detection]\nhostnames = "a"', "detection.hostnames: 'a' is not a list of texts"),
    ("[detection]\nhostname = []", "detection.hostname: there is no such key. Did you mean 'host"),
    ("[[partitions]]", "partitions[0].name: is missing"),
    ("[[partitions]]", "partitions[0].cpus: is missing"),
    ("[[partitions]]", "partitions[0].memory: is missing"),
    ('[[partitions]]\nname = ""', "partitions[0] ().name: is empty"),
    (BATCH + BATCH, "partitions: there are 2 with the name 'batch'"),
    (BATCH + "cpus_per_node = 4", "(batch).cpus_per_node: there is no such key. Here it is 'cpus'"),
    (BATCH + "max_waltime = 4", "(batch).max_waltime: there is no such key. Did you mean 'max_wal"),
    (BATCH + "xyz = 4", "(batch).xyz: there is no such key. Keys: name, "),
    (BATCH + "nodes = -1", "(batch).nodes: -1 is not a whole number from 0"),
    (BATCH + "nodes = 1.5", "(batch).nodes: 1.5 is not a whole number"),
    (BATCH + "nodes = true", "(batch).nodes: true is not a whole number"),
    (BATCH + "nodes = 9999999999", "(batch).nodes: 9999999999 is not a whole number"),
    (BATCH + 'gpus = { h100 = "4" }', "(batch).gpus: '4' is not a whole number"),
    (BATCH + "local_disk = 5600", "(batch).local_disk: 5600 is not a size"),
    (BATCH + 'local_disk = "5600"', "(batch).local_disk: '5600' is not a size"),
    (BATCH + 'local_disk = "5.6T"', "(batch).local_disk: '5.6T' is not a size"),
    (BATCH + 'local_disk = "-5T"', "(batch).local_disk: '-5T' is not a size"),
    (BATCH + 'local_disk = ""', "(batch).local_disk: '' is not a size"),
    (BATCH + 'max_walltime = "25:61:00"', "(batch).max_walltime: '25:61:00' is not a walltime"),
    (BATCH + "max_walltime = 60", "(batch).max_walltime: 60 is not a walltime"),
    (BATCH + "max_walltime = 01:00:00", "(batch).max_walltime: datetime.time(1, 0) is not a wall"),
    (BATCH + 'shared = "yes"', "(batch).shared: 'yes' is neither true nor false"),
    (BATCH + "charge = -1", "(batch).charge: -1 is not a number of at least 0"),
    (BATCH + "charge = inf", "(batch).charge: inf is not a number"),
    (BATCH + "min_nodes = 3\nmax_nodes = 2", "(batch).min_nodes: is above max_nodes"),
    (
        BATCH + 'default_walltime = "2"\nmax_walltime = "1"',
        "default_walltime: is above max_walltime",
    ),
    (BATCH + "node_types = []", "(batch).cpus: belongs into each of node_types"),
    (
        '[[partitions]]\nname = "a"\n[[partitions.node_types]]\ncpus = 4\nmemroy = "1G"',
        "partitions[0] (a).node_types[0].memroy: there is no such key. Did you mean 'memory'?",
    ),
    (
        BATCH + "default = true\n" + BATCH.replace("batch", "short") + "default = true",
        "partitions: only one can be the default, not batch, short",
    ),
    ("[x", "is not valid TOML: Expected ']' at the end of a table declaration"),
    (
        "name = 'a'\nb = x",
        "is not valid TOML: Invalid value (at line 2, column 5)",
    ),
    ("a = " + "[" * 5000, "is not valid TOML: "),
]


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_profile(text, "ridge")
    assert message in str(refused.value)


def test_everything_that_is_wrong_is_said_at_once_within_limits() -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_profile("".join(f'[[partitions]]\nname = "p{i}"\n' for i in range(50)), "ridge")
    lines = str(refused.value).splitlines()
    assert lines[0] == "is not a valid profile:"
    assert lines[1] == "  partitions[0] (p0).cpus: is missing."
    assert (len(lines), lines[-1]) == (22, "  and 80 more.")


@pytest.mark.parametrize("name", ["slurm", "", "a b", "../a", "-a", "ä", "a" * 65])
def test_names_that_no_profile_can_have(name: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be a profile"):
        parse_profile(BATCH, name)


@pytest.mark.parametrize(
    ("hostname", "pattern"),
    [
        ("login2", "login*"),
        ("kl12.hpc.example.org", "kl*.hpc.example.org"),
        ("head", "head"),
        ("n1-login", "n1-login"),
        ("10", "*"),
    ],
)
def test_pattern_of_similar_hosts(hostname: str, pattern: str) -> None:
    assert host_pattern(hostname) == pattern


def _tomorrow(partition: Partition) -> Partition:
    """Without what may be different tomorrow."""
    return replace(
        partition, state="UP", kinds=tuple(replace(kind, idle=0) for kind in partition.kinds)
    )


texts = st.text(max_size=12)
names = st.text(string.ascii_letters + string.digits + "._-", min_size=1, max_size=12)
counts = st.integers(0, 10**6)
sizes = st.integers(0, 10**9).map(lambda number: number * KIB)
times = st.integers(60, 10**8)
name_sets = st.frozensets(names, max_size=3)
accesses = st.builds(Access, allowed=st.none() | name_sets, denied=name_sets)
kinds = st.builds(
    NodeKind,
    num_cpus=counts,
    memory=sizes,
    gpus=st.dictionaries(texts, st.integers(1, 16), max_size=3),
    features=name_sets,
    count=counts | st.just(UNKNOWN_COUNT),
    idle=counts,
)
partitions = st.builds(
    Partition,
    name=texts.filter(bool),
    state=st.sampled_from(["UP", "DOWN", "DRAIN"]),
    kinds=st.lists(kinds, max_size=3).map(tuple),
    max_runtime=st.none() | times.map(lambda time: time + 10**8),
    default_runtime=st.none() | times,
    min_nodes=counts,
    max_nodes=st.none() | counts.map(lambda number: number + 10**6),
    max_nodes_per_user=st.none() | counts,
    max_cpus_per_node=st.none() | counts,
    max_memory_per_node=st.none() | sizes,
    max_memory_per_cpu=st.none() | sizes,
    default_memory_per_cpu=st.none() | sizes,
    is_exclusive=st.booleans(),
    is_on_request=st.booleans(),
    qos=texts,
    accounts=accesses,
    groups=accesses,
    allowed_qos=accesses,
    charge=st.floats(0, 1e6),
)
clusters = st.builds(
    ClusterDescription,
    name=names.filter(lambda name: name[0].isalnum() and name != "slurm"),
    source=texts,
    partitions=st.lists(partitions, max_size=4, unique_by=lambda each: each.name).map(tuple),
    groups=name_sets,
    queued=counts,
)


@given(clusters, st.integers(-1, 4))
def test_profile_of_a_cluster_describes_the_same_cluster(
    cluster: ClusterDescription, default: int
) -> None:
    partitions = tuple(
        replace(each, is_default=index == default) for index, each in enumerate(cluster.partitions)
    )
    cluster = replace(cluster, partitions=partitions)
    read = parse_profile(profile_text(profile_of(cluster, hostname="login*")), cluster.name)

    assert read.cluster().name == cluster.name
    assert read.detection == Detection(hostnames=("login*",))
    assert read.cluster().partitions == tuple(map(_tomorrow, cluster.partitions))


profiles = st.builds(
    HpcProfile,
    name=st.just("ridge"),
    display_name=texts,
    description=texts,
    documentation=texts,
    support=texts,
    default_account=texts,
    detection=st.builds(
        Detection,
        environment=st.dictionaries(texts, texts, max_size=3).map(lambda each: tuple(each.items())),
        hostnames=st.lists(texts, max_size=3).map(tuple),
    ),
    partitions=st.builds(
        ProfilePartition,
        partition=partitions.map(_tomorrow),
        description=texts,
        local_disk=st.none() | sizes,
    ).map(lambda each: (each,)),
)


@given(profiles)
def test_written_profile_is_read_back(profile: HpcProfile) -> None:
    assert parse_profile(profile_text(profile), "ridge") == profile
