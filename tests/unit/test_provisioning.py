import pytest

from torc_watch.core import provisioning
from torc_watch.core.model import LocalScheduler
from torc_watch.core.provisioning import Capacity, Demand
from torc_watch.core.units import GIB

MACHINE = Capacity(num_cpus=8, memory=16 * GIB, memory_at_once=16 * GIB)
CLUSTER = Capacity(num_cpus=8, memory=16 * GIB)


def shape(num_cpus: int, memory: int | None) -> LocalScheduler:
    return LocalScheduler(id=1, name="local", num_cpus=num_cpus, memory=memory)


def demand(jobs: int, *, num_cpus: int = 1, memory: int = GIB) -> Demand:
    return Demand(jobs=jobs, num_cpus=num_cpus, memory=memory)


@pytest.mark.parametrize(
    ("usual", "wanted", "number", "num_cpus", "memory"),
    [
        pytest.param(None, demand(100), 1, 8, 16 * GIB, id="no shape is the whole machine"),
        pytest.param(shape(2, 4 * GIB), demand(1), 1, 2, 4 * GIB, id="no more than the jobs need"),
        pytest.param(shape(2, 4 * GIB), demand(3), 2, 2, 4 * GIB, id="two at a time in each"),
        pytest.param(shape(2, 4 * GIB), demand(99), 4, 2, 4 * GIB, id="as many as have CPUs"),
        pytest.param(
            shape(2, 4 * GIB),
            demand(3, memory=3 * GIB),
            3,
            2,
            4 * GIB,
            id="by memory one at a time",
        ),
        pytest.param(
            shape(2, 4 * GIB), demand(1, num_cpus=3, memory=5 * GIB), 1, 3, 5 * GIB, id="large job"
        ),
        pytest.param(
            shape(2, None), demand(1, memory=99 * GIB), 1, 2, 16 * GIB, id="what there is, no more"
        ),
        pytest.param(shape(2, 4 * GIB), demand(1, num_cpus=9), 1, 9, 4 * GIB, id="never none"),
    ],
)
def test_allocations(
    usual: LocalScheduler | None, wanted: Demand, number: int, num_cpus: int, memory: int
) -> None:
    orders = provisioning.orders(wanted, shape=usual, capacity=MACHINE, allocation_stem="abc.wf42")
    assert [order.token for order in orders] == [f"abc.wf42.{n}" for n in range(1, number + 1)]
    assert {(order.num_cpus, order.memory) for order in orders} == {(num_cpus, memory)}


@pytest.mark.parametrize(("capacity", "number"), [(MACHINE, 2), (CLUSTER, 8)])
def test_memory_that_is_shared_bounds_allocations(capacity: Capacity, number: int) -> None:
    usual = shape(1, 8 * GIB)
    orders = provisioning.orders(demand(99), shape=usual, capacity=capacity, allocation_stem="abc")
    assert len(orders) == number
