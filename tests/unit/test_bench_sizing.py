"""The simulator of `scripts/bench sizing`, over traces whose outcome can be computed by hand."""

import csv
import gzip
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from torc_watch.core.units import GIB, MIB

ROOT = Path(__file__).parents[2]
BENCH = ROOT / "scripts" / "bench.d"
sys.path.append(str(BENCH))

from sizing_models import MEMORY, RUN_TIME, Tally, in_place, in_rounds  # noqa: E402
from sizing_policies import BASE, IN_ROUNDS, OURS, OURS_IN_PLACE, Policy  # noqa: E402
from sizing_traces import Task, TracedKind, UnusableTraces, read_kinds  # noqa: E402

X2, BY_ATTEMPT = IN_ROUNDS[1:3]


def test_job_that_fails_once_wastes_its_first_attempt_and_the_rest_of_its_second() -> None:
    """8 GiB for 60 of 100 s, then 12 GiB of which it uses 10."""
    tally = in_rounds(_kind((10, 100)), 8 * GIB, MEMORY, BASE)

    assert tally == Tally(
        lacking=1, failed=1, unfinished=0, waste=(8 * 60 + 2 * 100) * GIB, makespan=160
    )


@pytest.mark.parametrize(
    ("policy", "failed"),
    [(BASE, 3), (X2, 2), (BY_ATTEMPT, 3)],
)
def test_policies_climb_as_they_say(policy: Policy, failed: int) -> None:
    """Of 8 GiB: 12, 18, 27; 16, 32; 16, 24, 32."""
    tally = in_rounds(_kind((26, 100)), 8 * GIB, MEMORY, policy)

    assert (tally.failed, tally.unfinished) == (failed, 0)


def test_job_that_fails_four_times_is_run_by_a_user_with_twice_what_it_needs() -> None:
    tally = in_rounds(_kind((100, 10)), 8 * GIB, MEMORY, BASE)

    assert (tally.failed, tally.unfinished) == (4, 1)
    assert tally.waste == ((8 + 12 + 18 + 27) * 6 + 100 * 10) * GIB
    assert tally.makespan == 4 * 6 + 10


def test_jobs_that_wait_for_a_scout_fail_once() -> None:
    """The scout, 64 GiB, uses 30; then the other three get 36 GiB."""
    tally = in_rounds(_kind(*[(30, 100)] * 4), 8 * GIB, MEMORY, OURS)

    assert (tally.lacking, tally.failed, tally.unfinished) == (4, 4, 0)
    assert tally.waste == (4 * 8 * 60 + 34 * 100 + 3 * 6 * 100) * GIB
    assert tally.makespan == 60 + 100 + 100


def test_run_time_that_is_not_used_is_not_charged() -> None:
    kind = _kind((1, 100)).by_run_time()

    tally = in_rounds(kind, 60, RUN_TIME, OURS)

    assert tally == Tally(lacking=1, failed=1, unfinished=0, waste=60, makespan=160)


def test_in_place_jobs_that_wait_are_raised_before_they_start() -> None:
    """Sixteen start with 8 GiB. The first of the others start when these have failed."""
    kind = _kind(*[(8.5, 100)] * 32)

    raised = in_place(kind, 8 * GIB, MEMORY, OURS_IN_PLACE)
    left = in_place(kind, 8 * GIB, MEMORY, OURS)

    assert (raised.failed, raised.unfinished) == (16, 0)
    assert (left.failed, left.unfinished) == (32, 0)
    assert raised.makespan < left.makespan


def test_in_place_a_retry_does_not_wait_for_the_rest() -> None:
    """The short one is killed after 6 s and done after 16; the rounds wait for the long one."""
    kind = _kind((10, 10), (1, 100))

    assert in_place(kind, 8 * GIB, MEMORY, BASE).makespan == 100
    assert in_rounds(kind, 8 * GIB, MEMORY, BASE).makespan == 110


def test_rows_without_a_measurement_and_of_failed_tasks_are_left_out(tmp_path: Path) -> None:
    rows = [
        _row(peak=512, seconds=10, order=2),
        _row(peak=300, seconds=20, order=1),
        _row(peak=0, seconds=10),
        _row(peak=512, seconds="nan"),
        _row(peak=512, seconds=""),
        _row(peak=9999, seconds=10, status="FAILED (137)"),
        _row(peak=255, seconds=10, kind="small"),
    ]

    (kind,) = read_kinds(_traces(tmp_path, rows))

    assert kind == TracedKind("set|flow|work", (Task(300 * MIB, 20.0), Task(512 * MIB, 10.0)))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param(b"", "it is empty", id="empty"),
        pytest.param(gzip.compress(b""), "it is empty", id="empty within"),
        pytest.param(b"dataset,workflow\n", "Not a gzipped file", id="not gzip"),
        pytest.param(gzip.compress(b"x" * 9999)[:-9], "line 0", id="cut"),
        pytest.param(gzip.compress(b"\xff\xfe\x00"), "line 0", id="not UTF-8"),
        pytest.param(
            gzip.compress(b"dataset,workflow\na,b\n"),
            "it has no column kind, mem_peak_mb, order, runtime_s, status",
            id="columns",
        ),
        pytest.param(
            gzip.compress(
                b"dataset,workflow,kind,order,mem_peak_mb,runtime_s,status\na,b,c,1,much,2,\n"
            ),
            "line 2: could not convert",
            id="value",
        ),
        pytest.param(
            gzip.compress(
                b"dataset,workflow,kind,order,mem_peak_mb,runtime_s,status\na,b,c,1,0,2,\n"
            ),
            "no kind of jobs",
            id="nothing measured",
        ),
    ],
)
def test_unusable_file_is_named_with_what_is_wrong(
    tmp_path: Path, content: bytes, says: str
) -> None:
    path = tmp_path / "traces.csv.gz"
    path.write_bytes(content)

    with pytest.raises(UnusableTraces, match=says) as caught:
        read_kinds(path)

    assert str(path) in str(caught.value)


def test_bench_prints_the_tables_of_small_traces(tmp_path: Path) -> None:
    rows = [
        _row(peak=300 + 40 * number, seconds=60 + 30 * number, order=number) for number in range(12)
    ]

    ended = _bench("--traces", str(_traces(tmp_path, rows)), "--json", str(tmp_path / "out"))

    assert ended.returncode == 0, ended.stderr
    for title in ("memory, in rounds", "memory, in place", "run time, in rounds"):
        assert f"\n{title}:\n" in ended.stdout
    assert "by level" in ended.stdout
    assert "level .3-.6: waste" in (tmp_path / "out").read_text()


def test_bench_skips_what_the_traces_cannot_show(tmp_path: Path) -> None:
    rows = [_row(peak=peak, seconds=60) for peak in (300, 900)]

    ended = _bench("--traces", str(_traces(tmp_path, rows)))

    assert ended.returncode == 0, ended.stderr
    assert "memory, in place: skipped" in ended.stdout
    assert "run time, in rounds: skipped" in ended.stdout


def test_bench_fails_on_a_file_that_is_not_there(tmp_path: Path) -> None:
    ended = _bench("--traces", str(tmp_path / "none.csv.gz"))

    assert ended.returncode == 1
    assert ended.stderr.endswith("none.csv.gz cannot be read: No such file or directory\n")


def _bench(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(BENCH), "sizing", *options],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def _kind(*tasks: tuple[float, float]) -> TracedKind:
    """Of GiB and seconds."""
    return TracedKind("work", tuple(Task(int(need * GIB), seconds) for need, seconds in tasks))


def _row(
    *, peak: float, seconds: float | str, order: int = 0, status: str = "", kind: str = "work"
) -> Mapping[str, object]:
    return {
        "dataset": "set",
        "workflow": "flow",
        "kind": kind,
        "order": order,
        "mem_peak_mb": peak,
        "runtime_s": seconds,
        "status": status,
    }


def _traces(folder: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    path = folder / "traces.csv.gz"
    found = list(rows)
    with gzip.open(path, "wt", newline="") as file:
        writer = csv.DictWriter(file, list(found[0]))
        writer.writeheader()
        writer.writerows(found)
    return path
