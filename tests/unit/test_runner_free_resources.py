import pytest
from hypothesis import given
from hypothesis import strategies as st

from torc_watch.core.model import Requirements
from torc_watch.core.units import GIB
from torc_watch.sandbox.runner.free_resources import claim_limit, release, reserve
from torc_watch.torc.runner_api import WorkerResources


def requirements(cpus: int, memory: int | None, gpus: int = 0) -> Requirements:
    return Requirements(
        id=1,
        name="r",
        num_cpus=cpus,
        num_gpus=gpus,
        num_nodes=1,
        memory=memory,
        runtime=60,
    )


@given(
    cpus=st.integers(0, 8),
    memory=st.none() | st.integers(0, 64 * GIB),
    gpus=st.integers(0, 4),
)
def test_release_is_the_inverse_of_reserve(cpus: int, memory: int | None, gpus: int) -> None:
    node = WorkerResources(num_cpus=8, memory=64 * GIB, num_gpus=4, scheduler_config_id=3)
    job = requirements(cpus, memory, gpus)
    rest = reserve(node, job)
    assert (node.num_cpus - rest.num_cpus, node.num_gpus - rest.num_gpus) == (cpus, gpus)
    assert node.memory - rest.memory == (memory or 0)
    assert release(rest, job) == node


@pytest.mark.parametrize(
    ("cpus", "memory", "running", "max_parallel", "limit"),
    [
        (4, GIB, 0, None, 4),
        (4, GIB, 2, None, 4),
        (4, GIB, 0, 3, 3),
        (4, GIB, 2, 3, 1),
        (4, GIB, 3, 3, 0),
        (0, GIB, 1, None, 0),
        (-1, GIB, 1, None, 0),
        (4, 0, 1, None, 0),
    ],
)
def test_claim_limit_is_computed(
    cpus: int, memory: int, running: int, max_parallel: int | None, limit: int
) -> None:
    free = WorkerResources(num_cpus=cpus, memory=memory)
    assert claim_limit(free, running, max_parallel) == limit
