"""The classes of nodes that recovery plans with."""

from typing import Any

import pytest

from torc_watch.core.allocation import NodeClass
from torc_watch.core.units import MIB
from torc_watch.planner.cluster_description import NodeKind, Partition
from torc_watch.schedulers.slurm.partition_classes import node_classes

NODE = NodeKind(num_cpus=64, memory=512_000 * MIB, count=3)
SHAPE: dict[str, Any] = {"num_cpus": 64, "memory": 512_000 * MIB, "is_default": False}


@pytest.mark.parametrize(
    ("partition", "classes"),
    [
        ({"kinds": (NODE,)}, [{"count": 3}]),
        ({"kinds": (NODE,), "max_runtime": 300, "is_default": True}, [{"runtime": 300}]),
        ({"kinds": (NODE,), "max_memory_per_node": MIB}, [{"memory": MIB}]),
        ({"kinds": (NODE,), "max_memory_per_node": 900_000 * MIB}, [{"memory": 512_000 * MIB}]),
        ({"kinds": (NODE,), "max_cpus_per_node": 32}, [{"num_cpus": 32}]),
        ({"kinds": (NODE,), "state": "DOWN"}, []),
        ({"kinds": (NODE,), "state": "DRAIN"}, []),
        ({"kinds": ()}, []),
    ],
)
def test_limits_of_a_partition_bound_its_nodes(
    partition: dict[str, Any], classes: list[dict[str, Any]]
) -> None:
    is_default = partition.get("is_default", False)
    runtime = partition.get("max_runtime")
    usual = {**SHAPE, "count": 3, "partition": "p", "is_default": is_default, "runtime": runtime}

    found = node_classes([Partition(name="p", **partition)])

    assert found == tuple(NodeClass(**{**usual, **each}) for each in classes)


def test_nodes_of_one_size_are_one_class() -> None:
    kinds = (
        NodeKind(num_cpus=64, memory=MIB, gpus={"a100": 4}, count=2),
        NodeKind(num_cpus=64, memory=MIB, gpus={"a100": 4}, features=frozenset({"ib"}), count=5),
        NodeKind(num_cpus=64, memory=MIB, gpus={"h100": 8}, count=1),
        NodeKind(num_cpus=64, memory=0, count=9),  # of which nothing is known
    )
    found = node_classes([Partition(name="gpu", kinds=kinds)])

    assert [(each.num_gpus, each.count) for each in found] == [(4, 7), (8, 1)]


def test_nodes_that_are_all_down_still_take_an_allocation() -> None:
    kinds = (NodeKind(num_cpus=64, memory=MIB, count=0),)

    (found,) = node_classes([Partition(name="p", kinds=kinds)])

    assert found.count == 1
