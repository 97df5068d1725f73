"""torc-watchd hpc: what its commands print, and how they end."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from torc_watch.app.cluster_source import describe
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


SLURM = {
    "scontrol": """#!/bin/sh
case "$*" in
*"show config") echo "ClusterName             = alps
SelectType              = select/cons_tres" ;;
*"show node") echo "NodeName=n1 CPUTot=32 RealMemory=64000 Gres=(null) State=IDLE Partitions=batch
NodeName=n2 CPUTot=64 RealMemory=128000 Gres=gpu:a100:4 State=MIXED Partitions=batch,gpu" ;;
*"show partition") echo "PartitionName=batch Default=YES MaxTime=2-00:00:00 State=UP
PartitionName=gpu Default=NO MaxTime=UNLIMITED State=DOWN OverSubscribe=EXCLUSIVE" ;;
*"show reservation") echo "No reservations in the system" ;;
*) exit 1 ;;
esac
""",
    "squeue": "#!/bin/sh\necho JOBID\n",
    "sbatch": "#!/bin/sh\nexit 1\n",
}


@pytest.fixture
def slurm(tmp_path: Path) -> Path:
    """The folder of commands that answer as those of a small cluster do."""
    commands = tmp_path / "nothing"
    commands.mkdir()
    for name, script in SLURM.items():
        (commands / name).write_text(script)
        (commands / name).chmod(0o755)
    return commands


def hpc(words: str) -> Result:
    return CliRunner().invoke(app, ["hpc", *words.split()])


def test_no_cluster_is_detected() -> None:
    ended = hpc("detect")
    assert (ended.exit_code, ended.stderr) == (13, "")
    assert (
        ended.stdout
        == "No cluster was found here: no HPC profile matches, and there is no Slurm.\n"
    )

    ended = hpc("detect --json")
    assert (ended.exit_code, json.loads(ended.stdout)) == (13, {"detected": None, "others": []})


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

    assert ended.exit_code == 2
    lines = ended.stdout.splitlines()
    assert lines[2].split() == ["kestrel", "-", "user,", "overrides", "built-in", "not", "valid"]
    assert len(lines) == 4
    assert ended.stderr.splitlines() == [
        f"Warning: {bad} is not a valid profile:",
        "  partitions[0].name: is missing.",
        "  partitions[0].nmae: there is no such key. Did you mean 'name'?",
    ]

    ended = hpc("list --json")
    assert ended.exit_code == 2
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
    assert "Name a profile; list them with: torc-watchd hpc list" in ended.stderr


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
    assert hpc("partitions dane --gpu").stdout == "dane has no such partition.\n"
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


@pytest.mark.usefixtures("slurm")
@pytest.mark.parametrize("words", ["partitions", "partitions slurm"])
def test_cluster_without_a_profile_is_what_slurm_says(words: str) -> None:
    assert hpc("detect").stdout == "slurm (alps): no HPC profile matches, but Slurm is here\n"
    found = json.loads(hpc("detect --json").stdout)["detected"]
    assert (found["name"], found["display_name"], found["from"]) == ("slurm", "alps", "Slurm")
    assert "slurm is the cluster of this login node" in hpc("list").stdout

    assert hpc(words).stdout.splitlines() == [
        "PARTITION  CPUS  MEMORY    WALLTIME  NODES  GPUS    NOTES",
        "batch        32   62.5g  2-00:00:00      1  -       default, shared",
        "batch        64    125g  2-00:00:00      1  4 a100  default, shared",
        "gpu          64    125g   UNLIMITED      1  4 a100  DOWN",
    ]
    assert hpc("show").stdout.splitlines()[0] == "slurm: alps"


@pytest.mark.usefixtures("ridge", "slurm")
def test_profile_that_matches_comes_before_slurm() -> None:
    assert hpc("detect").stdout == "ridge (Ridge): SITE=ridge in the environment\n"
    assert hpc("show").stdout.splitlines()[0] == "ridge: Ridge"


@pytest.mark.usefixtures("slurm")
def test_bad_profile_may_be_the_one_of_a_cluster_with_slurm(profiles: Path) -> None:
    (profiles / "mine.toml").write_text("[")
    for words in ("detect", "partitions"):
        ended = hpc(words)
        assert ended.exit_code == 2
        assert "For what Slurm says, name 'slurm'." in ended.stderr
        assert "mine.toml is not valid TOML" in ended.stderr
    assert hpc("partitions slurm").exit_code == 0


def test_slurm_that_does_not_answer(slurm: Path) -> None:
    (slurm / "scontrol").write_text("#!/bin/sh\necho 'scontrol: error: Down' >&2\nexit 1\n")
    for words in ("detect", "partitions", "generate"):
        ended = hpc(words)
        assert (ended.exit_code, ended.stdout) == (9, "")
        assert "scontrol failed with status 1" in ended.stderr


@pytest.mark.usefixtures("slurm")
def test_generated_profile_is_one(profiles: Path) -> None:
    profiles.rmdir()
    file = profiles / "ridge.toml"
    ended = hpc(f"generate -o {file}")
    assert ended.exit_code == 0, ended.stderr
    assert str(file) in ended.stdout

    file.write_text(file.read_text().replace("# environment", "environment"))
    shown = json.loads(hpc("show ridge --json").stdout)
    assert shown["detection"]["environment"] == {"CLUSTER": "name"}
    assert [each["name"] for each in shown["partitions"]] == ["batch", "gpu"]
    assert [len(each["node_types"]) for each in shown["partitions"]] == [2, 1]
    assert hpc("detect").stdout.startswith("ridge: this host, ")


@pytest.mark.usefixtures("slurm")
def test_generated_profile_without_a_file() -> None:
    text = hpc("generate").stdout
    assert 'name = "alps"' in text.splitlines()
    assert json.loads(hpc("generate --json --name ridge").stdout) == {
        "name": "ridge",
        "path": None,
        "text": text.replace('"alps"', '"ridge"'),
    }


@pytest.mark.parametrize("words", ["-o there.toml", "--name a/b", "-o a.toml --name b"])
def test_what_is_refused_is_refused_before_slurm_is_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, slurm: Path, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there.toml").touch()
    (slurm / "scontrol").write_text("#!/bin/sh\necho 'scontrol: error: Down' >&2\nexit 1\n")

    assert hpc(f"generate {words}").exit_code == 2


@pytest.mark.usefixtures("slurm")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("-o mine.txt", "mine.txt is not named after the profile: call it NAME.toml."),
        ("-o a.toml --name b", "a.toml is not named after the profile: call it b.toml."),
        ("-o slurm.toml", "'slurm' stands for the cluster"),
        ("--name a/b", "'a/b' is not a profile's name"),
        ("-o there.toml", "there.toml exists. Replace it with --force."),
        ("-o there.toml/x.toml", "x.toml cannot be written: File exists."),
        ("-o folder.toml --force", "folder.toml cannot be written: Is a directory."),
    ],
)
def test_files_that_are_not_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there.toml").write_text("mine")
    Path("folder.toml").mkdir()
    before = sorted(tmp_path.iterdir())
    ended = hpc(f"generate {words}")

    assert (ended.exit_code, ended.stdout) == (2, "")
    assert message in ended.stderr
    assert (sorted(tmp_path.iterdir()), Path("there.toml").read_text()) == (before, "mine")
    assert hpc("generate -o there.toml --force").exit_code == 0
    assert 'name = "there"' in Path("there.toml").read_text()


@pytest.mark.usefixtures("ridge", "slurm")
async def test_profile_that_matches_limits_what_slurm_says() -> None:
    described = await describe(None)

    assert (described.name, described.source) == ("ridge", "profile ridge and the cluster itself")
    batch, gpu = described.partitions
    assert ([kind.num_cpus for kind in batch.kinds], batch.max_nodes) == ([32, 64], 8)
    assert (gpu.state, gpu.is_on_request) == ("DOWN", True)
    assert await describe("ridge") == described


@pytest.mark.usefixtures("ridge", "slurm")
@pytest.mark.parametrize(
    ("name", "source"), [("kestrel", "profile kestrel"), ("slurm", "the cluster itself")]
)
async def test_cluster_that_is_named(name: str, source: str) -> None:
    assert (await describe(name)).source == source


@pytest.mark.usefixtures("ridge")
async def test_profile_that_matches_where_there_is_no_slurm() -> None:
    described = await describe(None)
    assert (described.source, len(described.partitions)) == ("profile ridge", 2)
