"""The classes of nodes that recovery plans with."""

from dataclasses import replace
from typing import Any

import pytest

from torc_watch.core.allocation import Admission, NodeClass
from torc_watch.core.units import MIB
from torc_watch.planner.cluster_description import Access, NodeKind, Partition
from torc_watch.schedulers.slurm.partition_classes import node_classes

NODE = NodeKind(num_cpus=64, memory=512_000 * MIB, count=3)
SHAPE: dict[str, Any] = {
    "num_cpus": 64,
    "memory": 512_000 * MIB,
    "is_default": False,
    "admission": Admission(),
}


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


@pytest.mark.parametrize(
    ("partition", "admission"),
    [
        ({}, Admission()),
        ({"groups": Access(allowed=frozenset({"users", "staff"}))}, Admission()),
        ({"groups": Access(allowed=frozenset({"staff"}))}, None),
        ({"is_on_request": True}, None),
        ({"kinds": (replace(NODE, count=0),)}, None),
        (
            {
                "accounts": Access(allowed=frozenset({"a"})),
                "allowed_qos": Access(denied=frozenset({"low"})),
            },
            Admission(accounts=frozenset({"a"}), denied=frozenset({"low"})),
        ),
    ],
)
def test_jobs_move_only_where_their_user_is_admitted(
    partition: dict[str, Any], admission: Admission | None
) -> None:
    values = {"kinds": (NODE,), **partition}
    (found,) = node_classes([Partition(name="p", **values)], frozenset({"users"}))
    assert found.admission == admission


@pytest.mark.parametrize(
    ("admission", "admitted"),
    [
        (Admission(), True),
        (Admission(accounts=frozenset({"a"}), qos=frozenset({"q", "r"})), True),
        (Admission(accounts=frozenset({"b"})), False),
        (Admission(qos=frozenset({"r"})), False),
        (Admission(denied=frozenset({"a"})), False),
        (Admission(denied=frozenset({"q"})), False),
    ],
)
def test_admission_of_account_a_with_qos_q(admission: Admission, *, admitted: bool) -> None:
    assert admission.admits("a", "q") is admitted
