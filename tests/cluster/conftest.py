"""One real Slurm cluster for all tests of this folder, which see each other's jobs."""

import os
from collections.abc import Iterator

import pytest

from tests.rigs.slurm_cluster import SlurmCluster, missing_requirement, open_cluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[SlurmCluster]:
    """A test that stops one of its daemons starts it again, and every test cancels its jobs."""
    if reason := missing_requirement():
        if "slurm" in os.environ.get("TORC_WATCH_REQUIRE", "").split(","):
            pytest.fail(reason)
        pytest.skip(reason)
    with open_cluster() as cluster:
        yield cluster


@pytest.fixture(autouse=True)
def _no_jobs_left(cluster: SlurmCluster) -> Iterator[None]:
    yield
    cluster.cancel_all()
