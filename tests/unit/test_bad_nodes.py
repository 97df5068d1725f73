"""From which nodes the allocations of a submitted workflow keep away."""

import pytest

from torc_watch.app.bad_nodes import BadNodes
from torc_watch.core.allocation import AllocationShape, NodeClass
from torc_watch.core.units import GIB
from torc_watch.planner.cluster_plan import AllocationGroup

BATCH, LARGE = (
    NodeClass(num_cpus=4, memory=memory, count=3, partition="batch", names=frozenset(names.split()))
    for memory, names in ((8 * GIB, "n1 n2 n3"), (64 * GIB, "l1 l2 l3"))
)
OTHER = NodeClass(num_cpus=4, memory=8 * GIB, partition="other", names=frozenset({"o1"}))


@pytest.mark.parametrize(
    ("shape", "excluded"),
    [
        pytest.param({}, ("n2",), id="the worst of the partition"),
        pytest.param({"memory": 16 * GIB}, ("l1",), id="of those that fit"),
        pytest.param({"num_nodes": 6}, (), id="all are needed"),
    ],
)
def test_groups_keep_away_from_bad_nodes(shape: dict[str, int], excluded: tuple[str, ...]) -> None:
    group = AllocationGroup(
        name="g",
        kinds=(0,),
        account="a",
        partition="batch",
        qos="",
        shape=AllocationShape(**{"num_cpus": 4, "memory": GIB, **shape}),
        number=1,
        jobs=1,
        jobs_at_once=1,
        waves=1,
    )
    bad = BadNodes(("o1", "n2", "l1"), (BATCH, LARGE, OTHER))
    assert bad.excluded(group) == excluded
    assert BadNodes().excluded(group) == ()
