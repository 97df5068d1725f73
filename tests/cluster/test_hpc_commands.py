"""torc-watchd hpc on a real cluster: what Slurm says, and a profile of it."""

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.rigs.slurm_cluster import SlurmCluster
from torc_watch.app.cluster_source import describe, live_cluster
from torc_watch.cli import app

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def profiles(cluster: SlurmCluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The user's folder of profiles, which does not exist; no other profile matches."""
    for variable in ("NLR_CLUSTER", "NREL_CLUSTER", "CLUSTER"):
        monkeypatch.delenv(variable, raising=False)
    for name, value in cluster.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "user"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "site"))
    return tmp_path / "user" / "torc-watchd" / "hpc"


def hpc(*words: str) -> Result:
    ended = CliRunner().invoke(app, ["hpc", *words])
    assert ended.exit_code == 0, ended.output
    return ended


@pytest.fixture
def generated(profiles: Path) -> Path:
    """The file of a profile of the cluster, which is detected."""
    hpc("generate", "-o", str(profiles / "ridge.toml"))
    return profiles / "ridge.toml"


def test_cluster_without_a_profile() -> None:
    shown = hpc("detect").stdout
    assert shown == "slurm (testcluster): no HPC profile matches, but Slurm is here\n"
    rows = {line.split()[0]: line.split()[1:] for line in hpc("partitions").stdout.splitlines()}
    assert rows["short"] == ["4", "3.9g", "0:05:00", "3", "-", "shared"]
    assert rows["bigmem"] == ["8", "15.6g", "1-00:00:00", "1", "-", "shared"]
    assert rows["down"] == ["4", "3.9g", "UNLIMITED", "3", "-", "DOWN,", "shared"]


@pytest.mark.usefixtures("generated")
def test_generated_profile_is_detected() -> None:
    assert hpc("detect").stdout.startswith("ridge: this host, ")
    rows = hpc("partitions").stdout
    assert rows == hpc("partitions", "slurm").stdout.replace("DOWN, ", "")


@pytest.mark.usefixtures("generated")
async def test_generated_profile_changes_nothing() -> None:
    live = await live_cluster()

    assert await describe("slurm") == live
    source = "profile ridge and the cluster itself"
    assert await describe(None) == replace(live, name="ridge", source=source)


@pytest.fixture
def corrected(generated: Path) -> Path:
    """Its partition short has less time, the others of a day have more."""
    text = generated.read_text()
    generated.write_text(text.replace('"0:05:00"', '"0:02:00"').replace('"1-0', '"9-0'))
    return generated


@pytest.mark.usefixtures("corrected")
async def test_corrected_profile_limits_what_slurm_says() -> None:
    described = await describe(None)

    assert {each.name: each.max_runtime for each in described.partitions} == {
        "short": 120,
        "standard": 86400,
        "bigmem": 86400,
        "preemptible": 86400,
        "debug": 1800,
        "down": None,
        "project": None,
    }
    assert described.partition("down") == (await live_cluster()).partition("down")
