"""`reports check-resource-utilization` as people and scripts read it."""

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from tests.rigs.json_shapes import assert_documented
from tests.unit.test_utilization import ROW, compared, ended
from torc_watch.cli import app
from torc_watch.core.units import GIB, MIB
from torc_watch.core.utilization import EndedJob
from torc_watch.render.utilization_text import utilization_lines
from torc_watch.render.utilization_values import utilization_values

TRAINED = [ended(number, memory=310 * MIB, cpu=380, seconds=3000) for number in range(1, 9)]
GREEDY = ended(9, name="merge", memory=3 * GIB, cpu=390, seconds=3605.5)
KILLED = ended(10, name="solve", code=137, seconds=90)


def text(*jobs: EndedJob, shows_all: bool = False) -> str:
    found = compared(*jobs)
    return "\n".join(utilization_lines(7, found, shows_all=shows_all, include_failed=False))


def test_over_use_and_far_too_much() -> None:
    assert text(*TRAINED, GREEDY) == (
        """\
Workflow 7: 1 of 9 jobs used more than they requested.

KIND   JOBS  OVER  RESOURCE  REQUESTED  USED AT MOST   USE
merge     1     1  memory    2g         3g            150%

This would have been enough:
  1 job merge: memory 2g requested, 3g used at most: 4608m would do

Far too much was requested:
  8 jobs train: memory 2g requested, 310m used at most: 465m would do

See all that was measured with: --all"""
    )


def test_everything() -> None:
    assert text(GREEDY, ended(3, seconds=0.2), ended(4, row=None), shows_all=True) == (
        """\
Workflow 7: 1 of 2 jobs used more than they requested.

KIND   JOBS  OVER  RESOURCE  REQUESTED  USED AT MOST   USE
merge     1     1  memory    2g         3g            150%
merge     1     0  CPUs      4          3.9            98%
merge     1     0  run time  1 h        1 h           100%
train     1        memory    2g         not measured
train     1        CPUs      4          not measured
train     1     0  run time  1 h        below 1 s       0%

This would have been enough:
  1 job merge: memory 2g requested, 3g used at most: 4608m would do

Far too much was requested:
  1 job train: run time 1 h requested, below 1 s used at most: 1 min would do

Not measured: memory of 1 job and CPUs of 1 job. Short jobs end before a sample.
1 job has no resource requirements, and nothing to compare with."""
    )


@pytest.mark.parametrize(
    ("jobs", "lines"),
    [
        pytest.param([], ["No job of workflow 7 has completed yet."], id="no results"),
        pytest.param(
            [ended(memory=GIB, cpu=300, seconds=3000)],
            [
                "Workflow 7: its job used no more than it requested.",
                "",
                "See all that was measured with: --all",
            ],
            id="one job",
        ),
        pytest.param(
            [ended(number, memory=GIB, cpu=300, seconds=3000) for number in (1, 2)],
            [
                "Workflow 7: none of 2 jobs used more than it requested.",
                "",
                "See all that was measured with: --all",
            ],
            id="two jobs",
        ),
        pytest.param(
            [ended(row=None), ended(row=replace(ROW, name="default"))],
            ["", "2 jobs have no resource requirements, and nothing to compare with."],
            id="no requests",
        ),
    ],
)
def test_nothing_found(jobs: list[EndedJob], lines: list[str]) -> None:
    assert text(*jobs).splitlines() == lines


def test_table_fits_a_terminal_and_names_are_printable() -> None:
    row = replace(ROW, memory=123_456_789_012, runtime=3 * 86_400 + 82_800)
    long = ended(name="\x1b" + "n" * 300, row=row, memory=1_234_567_890_123, seconds=9e5)
    table = [line for line in text(long, shows_all=True).splitlines() if "would do" not in line]
    assert max(map(len, table)) <= 80
    assert "\x1b" not in "".join(table)


def test_failed_jobs_may_need_more() -> None:
    told = text(ended(1, memory=3 * GIB), ended(2, memory=GIB, code=137, seconds=50))
    assert (
        "  2 jobs train: memory 2g requested, 3g used at most: at least 4608m, as some failed"
        in told.splitlines()
    )


def test_advice_ends() -> None:
    kinds = [ended(number, name="k" + "x" * number, seconds=9000) for number in range(1, 31)]
    told = text(*kinds).splitlines()
    assert sum("would do" in line for line in told) == 20
    assert "  and 10 more: all are in --json" in told


def test_json_has_torcs_keys() -> None:
    found = compared(*TRAINED, GREEDY, KILLED)
    values = json.loads(json.dumps(utilization_values(7, None, found, shows_all=True)))
    assert_documented("reports check-resource-utilization", {"version": 1, **values})
    assert (values["total_results"], values["over_utilization_count"]) == (10, 1)
    assert values["violations"] == [
        {
            "job_id": 9,
            "job_name": "merge",
            "resource_type": "Memory",
            "specified": "2.00 GB",
            "peak_used": "3.00 GB",
            "over_utilization": "+50.0%",
        }
    ]
    shown = {
        (use["job_id"], use["resource_type"]): [
            use["specified"],
            use["peak_used"],
            use["over_utilization"],
        ]
        for use in values["within_limits"]
    }
    assert shown[1, "CPU"] == ["400% (4 cores)", "380.0%", "95.0%"]
    assert shown[1, "Memory"] == ["2.00 GB", "310.0 MB", "15.1%"]
    assert shown[9, "Runtime"] == ["1h 0m 0s", "1h 0m 5s", "+0.2%"]
    assert shown[10, "Runtime"] == ["1h 0m 0s", "1m 30s", "2.5%"]
    (failed,) = values["resource_violations"]
    assert failed["oom_reason"] == "sigkill_137"
    assert failed["configured_memory"] == "2g"
    assert failed["peak_memory_bytes"] is None
    assert not utilization_values(7, None, found, shows_all=False)["within_limits"]


@pytest.mark.parametrize("percent", ["-1", "nan", "inf"])
def test_no_percentage(percent: str) -> None:
    words = ["reports", "check-resource-utilization", "1", "--min-over-utilization", percent]
    ended = CliRunner().invoke(app, words)
    assert ended.exit_code == 2
    assert f"{percent} is no percentage" in ended.stderr
