"""One real Slurm cluster for all tests of this folder, which see each other's jobs."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rigs.slurm_cluster import SlurmCluster, missing_requirement, open_cluster
from tests.rigs.torc_on_slurm import TorcOnSlurm, missing_program, open_torc


@pytest.fixture(scope="session")
def cluster() -> Iterator[SlurmCluster]:
    """A test that stops one of its daemons starts it again, and every test cancels its jobs."""
    _require("slurm", missing_requirement())
    with open_cluster() as cluster:
        yield cluster


@pytest.fixture(autouse=True)
def _no_jobs_left(cluster: SlurmCluster) -> Iterator[None]:
    yield
    cluster.cancel_all()


@pytest.fixture
def torc(cluster: SlurmCluster, tmp_path: Path) -> Iterator[TorcOnSlurm]:
    """The real Torc on the cluster, without workflows."""
    _require("torc", missing_program())
    with open_torc(cluster, tmp_path) as torc:
        yield torc


def _require(part: str, missing: str | None) -> None:
    """Skips, or fails if the part must be there."""
    if missing is None:
        return
    if part in os.environ.get("TORC_WATCH_REQUIRE", "").split(","):
        pytest.fail(missing)
    pytest.skip(missing)
