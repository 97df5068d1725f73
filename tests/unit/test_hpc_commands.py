"""torc-watchd hpc: what its commands print, and how they end."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from torc_watch.cli import app

RIDGE = """
display_name = "Ridge"
[detection]
environment = { SITE = "ridge" }
[[partitions]]
name = "batch"
cpus = 64
memory = "251G"
max_walltime = "2-00:00:00"
min_nodes = 2
max_nodes = 8
allow_accounts = ["physics"]
[[partitions]]
name = "mixed"
default = true
shared = true
[[partitions.node_types]]
cpus = 32
memory = "512M"
nodes = 4
[[partitions.node_types]]
cpus = 64
memory = "2T"
nodes = 2
gpus = { a100 = 2, h100 = 4 }
"""
DANE = "Lawrence Livermore National Laboratory's Dane cluster"
KESTREL = "NLR's flagship HPC system with CPU and GPU nodes"


@pytest.fixture(autouse=True)
def profiles(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The user's folder of profiles; nothing is detected, and there is no Slurm."""
    for variable in ("NLR_CLUSTER", "NREL_CLUSTER", "CLUSTER", "SITE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "user"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "site"))
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    folder = tmp_path / "user" / "torc-watchd" / "hpc"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def ridge(profiles: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a profile that is detected."""
    monkeypatch.setenv("SITE", "ridge")
    (profiles / "ridge.toml").write_text(RIDGE)
    return profiles / "ridge.toml"


def hpc(words: str) -> Result:
    return CliRunner().invoke(app, ["hpc", *words.split()])


def test_no_cluster_is_detected() -> None:
    ended = hpc("detect")
    assert (ended.exit_code, ended.stderr) == (1, "")
    assert ended.stdout == "No cluster was found here: no HPC profile matches.\n"

    ended = hpc("detect --json")
    assert (ended.exit_code, json.loads(ended.stdout)) == (1, {"detected": None, "others": []})


@pytest.mark.parametrize("variable", ["NLR_CLUSTER", "NREL_CLUSTER"])
def test_kestrel_is_detected(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "kestrel")
    ended = hpc("detect")

    assert ended.exit_code == 0
    assert ended.stdout == f"kestrel (NLR Kestrel): {variable}=kestrel in the environment\n"


def test_all_that_match_are_detected_the_users_own_first(
    monkeypatch: pytest.MonkeyPatch, ridge: Path
) -> None:
    monkeypatch.setenv("CLUSTER", "dane")
    found = json.loads(hpc("detect --json").stdout)

    assert (found["detected"]["name"], found["detected"]["path"]) == ("ridge", str(ridge))
    assert found["detected"]["evidence"] == "SITE=ridge in the environment"
    assert [other["name"] for other in found["others"]] == ["dane"]


@pytest.mark.usefixtures("ridge")
def test_list() -> None:
    ended = hpc("list")

    assert ended.exit_code == 0
    assert ended.stdout.splitlines() == [
        "NAME     CLUSTER      PARTITIONS  FROM      HERE  DESCRIPTION",
        f"dane     LLNL Dane             6  built-in        {DANE}",
        f"kestrel  NLR Kestrel          15  built-in        {KESTREL}",
        "ridge    Ridge                 2  user      yes",
    ]


@pytest.mark.usefixtures("ridge")
def test_list_has_profiles_that_are_not_valid(profiles: Path) -> None:
    bad = profiles / "kestrel.toml"
    bad.write_text("[[partitions]]\nnmae = 'a'\ncpus = 1\nmemory = '1G'")
    ended = hpc("list")

    assert ended.exit_code == 1
    lines = ended.stdout.splitlines()
    assert lines[2].split() == ["kestrel", "-", "user,", "overrides", "built-in", "not", "valid"]
    assert len(lines) == 4
    assert ended.stderr.splitlines() == [
        f"Warning: {bad} is not a valid profile:",
        "  partitions[0].name: is missing.",
        "  partitions[0].nmae: there is no such key. Did you mean 'name'?",
    ]

    ended = hpc("list --json")
    assert ended.exit_code == 1
    dane, kestrel, ridge = json.loads(ended.stdout)
    assert (dane["problem"], dane["detected"], dane["overrides"]) == (None, False, [])
    assert kestrel["problem"].startswith(f"{bad} is not a valid profile:")
    assert kestrel["overrides"][0].endswith("hpc/profiles/kestrel.toml")
    assert (ridge["partitions"], ridge["detected"], ridge["from"]) == (2, True, "user")


def test_partitions_of_the_detected_cluster(ridge: Path) -> None:
    ended = hpc("partitions")

    limits = "from 2 nodes, up to 8 nodes, restricted"
    assert ended.exit_code == 0
    assert ended.stdout.splitlines() == [
        "PARTITION  CPUS  MEMORY    WALLTIME  NODES  GPUS            NOTES",
        f"batch        64    251g  2-00:00:00      -  -               {limits}",
        "mixed        32    512m   UNLIMITED      4  -               default, shared",
        "mixed        64   2048g   UNLIMITED      2  2 a100, 4 h100  default, shared",
    ]
    ridge.unlink()
    ended = hpc("partitions")
    assert ended.exit_code == 2
    assert "Name one; list them with: torc-watchd hpc list" in ended.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--gpu", ["debug", "gpu-h100s", "gpu-h100", "gpu-h100l"]),
        ("--shared", ["debug", "shared", "sharedl", "gpu-h100s", "gpu-h100", "gpu-h100l"]),
    ],
)
def test_chosen_partitions(words: str, expected: list[str]) -> None:
    ended = hpc(f"partitions kestrel {words}")
    assert [line.split()[0] for line in ended.stdout.splitlines()[1:]] == expected

    ended = hpc(f"partitions kestrel {words} --json")
    assert [each["name"] for each in json.loads(ended.stdout)] == expected


def test_no_partition_is_chosen() -> None:
    assert hpc("partitions dane --gpu").stdout == "No partition of dane is like that.\n"
    assert json.loads(hpc("partitions dane --gpu --json").stdout) == []


def test_partition_for_scripts() -> None:
    bigmem = json.loads(hpc("partitions kestrel --json").stdout)[5]

    assert bigmem["name"] == "bigmem"
    assert bigmem["node_types"] == [
        {"cpus": 104, "memory_bytes": 2000000 << 20, "gpus": {}, "features": [], "nodes": 10}
    ]
    assert bigmem["max_walltime_seconds"] == 172800
    assert bigmem["local_disk_bytes"] == 5600 << 30
    assert (bigmem["shared"], bigmem["requires_explicit_request"]) == (False, False)


def test_show() -> None:
    ended = hpc("show kestrel")

    assert ended.exit_code == 0
    lines = ended.stdout.splitlines()
    assert lines[:3] == [
        "kestrel: NLR Kestrel",
        f"  {KESTREL}",
        "  recognized by: NLR_CLUSTER=kestrel, or by NREL_CLUSTER=kestrel",
    ]
    assert "bigmem         10        5.5t  Nodes with 2TB RAM and 5.6TB NVMe local disk" in lines
    values = json.loads(hpc("show kestrel --json").stdout)
    assert values["detection"]["environment"] == {
        "NLR_CLUSTER": "kestrel",
        "NREL_CLUSTER": "kestrel",
    }
    assert len(values["partitions"]) == 15


@pytest.mark.parametrize("command", ["show", "partitions"])
def test_profile_that_is_missing_or_not_valid_is_refused(profiles: Path, command: str) -> None:
    ended = hpc(f"{command} kestral")
    assert ended.exit_code == 2
    assert ended.stderr == (
        "torc-watchd: There is no HPC profile 'kestral'. Did you mean 'kestrel'?\n"
    )
    (profiles / "kestrel.toml").write_text("partitions = 1")
    ended = hpc(f"{command} kestrel")
    assert ended.exit_code == 2
    assert "kestrel.toml is not a valid profile:\n  partitions: 1 is not a list" in ended.stderr


def test_bad_profile_may_be_the_one_of_this_cluster(profiles: Path) -> None:
    (profiles / "mine.toml").write_text("[")
    ended = hpc("partitions")

    assert ended.exit_code == 2
    assert "No other HPC profile matches here." in ended.stderr
    assert "mine.toml is not valid TOML" in ended.stderr
