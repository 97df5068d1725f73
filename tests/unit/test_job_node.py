"""On which node a job ran, by the name that its scheduler has for it."""

import pytest

from torc_watch.core.allocation import StepEnd
from torc_watch.core.job_node import node_of_job
from torc_watch.core.model import ComputeNode


def worker(hostname: str, num_nodes: int = 1) -> ComputeNode:
    return ComputeNode(
        id=1, hostname=hostname, pid=1, allocation_id=6, has_ended=True, num_nodes=num_nodes
    )


def on(*nodes: str) -> StepEnd:
    return StepEnd(cause=None, return_code=0, nodes=nodes)


@pytest.mark.parametrize(
    ("node", "step", "steps", "is_spread", "expected"),
    [
        pytest.param(worker("n1.site.org"), None, {}, False, "n1.site.org", id="only its worker"),
        pytest.param(None, None, {}, False, None, id="nothing"),
        pytest.param(worker("n1"), on("c7"), {}, True, "c7", id="its own step"),
        pytest.param(worker("n1"), on("c7", "c8"), {}, True, None, id="a step on several nodes"),
        pytest.param(
            worker("n1.site.org"), None, {"batch": on("c7")}, False, "c7", id="one node in all"
        ),
        pytest.param(
            worker("n2.site.org", 2), None, {"run": on("n1", "n2")}, False, "n2", id="by its host"
        ),
        pytest.param(worker("n1", 2), None, {"run": on("n1", "n2")}, True, None, id="anywhere"),
        pytest.param(worker("x", 2), None, {"run": on("n1", "n2")}, False, "x", id="other names"),
    ],
)
def test_node_of_a_job(
    node: ComputeNode | None,
    step: StepEnd | None,
    steps: dict[str, StepEnd],
    is_spread: bool,
    expected: str | None,
) -> None:
    assert node_of_job(node, step=step, steps=steps, is_spread=is_spread).shown == expected
