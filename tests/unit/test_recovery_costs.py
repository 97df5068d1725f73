"""What `scripts/bench cluster-recovery` counts, and prints."""

from typing import Any

import pytest
from recovery_costs import Allocation, Costs, costs, ratios, table, values

SUBMITTED = 1_700_000_000.0  # 2023-11-14T22:13:20Z


def job(number: int, status: str = "completed") -> dict[str, Any]:
    return {"id": number, "name": f"job_{number}", "status": status}


def result(number: int, status: str, second: int) -> dict[str, Any]:
    return {"job_id": number, "status": status, "completion_time": f"2023-11-14T22:14:{second}Z"}


def cost(**more: Any) -> Costs:
    allocations = [Allocation(7, "COMPLETED", 1, 1800), Allocation(8, "COMPLETED", 2, 900)]
    usual: dict[str, Any] = {"makespan": 100.0, "failed": {}, "allocations": allocations}
    return Costs(**(usual | {"completed": 2, "jobs": 2} | more))


def test_each_failed_attempt_counts() -> None:
    results = [
        result(1, "failed", 10),
        result(1, "terminated", 30),
        result(1, "completed", 50),
        result(2, "completed", 40),
    ]

    found = costs([job(1), job(2)], results, "", submitted=SUBMITTED)

    assert found.failed == {"job_1": 2}
    assert found.failed_attempts == 2
    assert found.makespan == 90.0
    assert found.is_whole


def test_jobs_that_are_left() -> None:
    found = costs([job(1), job(2, "ready")], [], "", submitted=SUBMITTED)

    assert (found.completed, found.jobs, found.is_whole, found.makespan) == (1, 2, False, 0.0)


def test_node_hours_of_whole_nodes() -> None:
    accounting = "7|COMPLETED|1|1800\n8|CANCELLED by 0|3|600\n9|PENDING|1|0\n"

    found = costs([], [], accounting, submitted=SUBMITTED)

    assert [each.state for each in found.allocations] == ["COMPLETED", "CANCELLED", "PENDING"]
    assert found.node_hours == pytest.approx(1.0)


def test_table() -> None:
    ours = cost(failed={"job_1": 1}, makespan=60.0)
    theirs = cost(failed={"job_1": 2, "job_2": 2})

    assert table(ours, theirs, ("ours", "theirs")).splitlines() == [
        "| | `ours` | `theirs` | ratio |",
        "|---|--:|--:|--:|",
        "| makespan, s | 60 | 100 | 0.60 |",
        "| failed attempts | 1 | 4 | 0.25 |",
        "| node hours | 1 | 1 | 1.00 |",
        "| allocations | 2 | 2 | 1.00 |",
        "| jobs completed | 2 | 2 | 1.00 |",
    ]


def test_no_ratio_to_nothing() -> None:
    assert "failed attempts" not in ratios(cost(), cost())
    assert "| failed attempts | 0 | 0 |  |" in table(cost(), cost(), ("ours", "theirs"))


def test_values() -> None:
    assert values("ours", cost(failed={"job_1": 3}))["ours: failed attempts"] == 3.0
