"""Selection of jobs that fit together into a worker's resources."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torc_watch.core.units import GIB
from torc_watch.sandbox.server.bodies import NodeResources
from torc_watch.sandbox.server.job_selection import select_fitting

NODE = NodeResources(num_cpus=4, memory_gb=8.0, num_gpus=1, num_nodes=2)


def job(number: int, cpus: int = 1, gigabytes: int = 1, gpus: int = 0, nodes: int = 1) -> Any:
    memory = gigabytes * GIB
    needs = {"memory_bytes": memory, "num_cpus": cpus, "num_gpus": gpus, "num_nodes": nodes}
    return {"id": number, **needs}


@pytest.mark.parametrize(
    ("jobs", "chosen"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([job(1), job(2)], [1, 2], id="all"),
        pytest.param([job(1, cpus=3), job(2, cpus=2), job(3)], [1, 3], id="too large is skipped"),
        pytest.param([job(1, gigabytes=8), job(2)], [1], id="memory is used up"),
        pytest.param([job(1, gpus=1), job(2, gpus=1)], [1], id="GPUs are used up"),
        pytest.param([job(1), job(2, nodes=2), job(3, nodes=2)], [1, 2], id="nodes are used up"),
        pytest.param([job(n, cpus=0) for n in range(5)], [0, 1, 2, 3, 4], id="nodes are shared"),
    ],
)
def test_selection_in_order(jobs: list[Any], chosen: list[int]) -> None:
    assert select_fitting(jobs, NODE) == chosen


def test_huge_memory_is_capped() -> None:
    assert select_fitting([job(1)], NODE.model_copy(update={"memory_gb": 1e308})) == [1]


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 9), st.integers(0, 1))))
def test_selection_neither_exceeds_the_resources_nor_omits_a_job_that_fits(
    needs: list[tuple[int, int, int]],
) -> None:
    jobs = [job(place, *need) for place, need in enumerate(needs)]
    chosen = [jobs[place] for place in select_fitting(jobs, NODE)]
    omitted = [job for job in jobs if job not in chosen]
    names = ("num_cpus", "memory_bytes", "num_gpus")
    limits = dict(zip(names, (4, 8 * GIB, 1), strict=True))
    used = {name: sum(one[name] for one in chosen) for name in names}
    assert all(used[name] <= limits[name] for name in names)
    for other in omitted:
        assert any(used[name] + other[name] > limits[name] for name in names)
