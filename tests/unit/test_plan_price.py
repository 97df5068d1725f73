"""What a plan costs at most."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.unit.test_plan_identity import NODE, OOM, OTHER, PLAN, UNKNOWN
from torc_watch.core.plan_price import PlanPrice, price_of
from torc_watch.core.units import GIB
from torc_watch.render.price_text import price_text, price_values, proposed_price_text

(SKIP,) = PLAN.left_alone
NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("changes", "price"),
    [
        pytest.param(
            {},
            PlanPrice(jobs=4, allocations=2, node_hours=3.0, memory_factor=2.0),
            id="two nodes for an hour and one",
        ),
        pytest.param(
            {"scheduler_type": "local"},
            PlanPrice(jobs=4, allocations=2, node_hours=None, memory_factor=2.0),
            id="this machine costs nothing",
        ),
        pytest.param(
            {"allocations": (replace(NODE, runtime=None),)},
            PlanPrice(jobs=4, allocations=1, node_hours=8760.0, memory_factor=2.0),
            id="without a limit Slurm is asked for a year",
        ),
        pytest.param(
            {"retries": (UNKNOWN,), "uninitialized": 3, "repeated": None, "allocations": ()},
            PlanPrice(jobs=4, allocations=0, node_hours=0.0),
            id="nothing raised",
        ),
        pytest.param(
            {"retries": (), "repeated": (), "ready": 3},
            PlanPrice(jobs=3, allocations=2, node_hours=3.0),
            id="for jobs that only wait for an allocation",
        ),
        pytest.param(
            {"behind": 5, "left_alone": (SKIP, replace(SKIP, restarts_anyway=True))},
            PlanPrice(jobs=10, allocations=2, node_hours=3.0, memory_factor=2.0),
            id="with jobs behind those that run again, and what Torc starts by itself",
        ),
        pytest.param(
            {"joins_workers": True, "unserved": (1, 2), "retries": (), "repeated": ()},
            PlanPrice(jobs=2, allocations=2, node_hours=3.0),
            id="for jobs that no allocation takes",
        ),
        pytest.param(
            {"retries": (OOM, replace(OOM, job_id=6, memory=(GIB, 5 * GIB)))},
            PlanPrice(jobs=4, allocations=2, node_hours=3.0, memory_factor=5.0),
            id="the largest factor counts",
        ),
    ],
)
def test_price(changes: dict[str, Any], price: PlanPrice) -> None:
    assert price_of(replace(PLAN, **changes)) == price


@pytest.mark.parametrize(
    ("price", "text"),
    [
        (price_of(PLAN), "4 jobs, at most 3.0 node hours in 2 allocations, memory up to x 2"),
        (
            price_of(replace(PLAN, allocations=(OTHER,), retries=(), repeated=())),
            "0 jobs, at most 2.0 node hours in 1 allocation",
        ),
        (
            PlanPrice(jobs=1, allocations=1, memory_factor=1.5),
            "1 job, 1 allocation on this machine, no node hours, memory up to x 1.5",
        ),
    ],
)
def test_text(price: PlanPrice, text: str) -> None:
    assert price_text(price) == text


def test_expected_start_is_told() -> None:
    price = price_of(PLAN, starts_at=NOON)
    assert "the first is expected to start at 2026-11-30 " in price_text(price)
    assert "in 2 allocations, memory up to x 2, expected then to start at 2026-11-30 " in (
        proposed_price_text(price)
    )
    assert price_values(price)["starts_at"] == "2026-11-30T12:00:00+00:00"
