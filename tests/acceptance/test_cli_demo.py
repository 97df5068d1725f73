"""demo: each scenario to its end, its folder, and nothing left running."""

import json
import re
import signal
import socket
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.acceptance.conftest import Site

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

COUNTS = re.compile(
    r"  completed=\d+, running=\d+, pending=\d+, failed=\d+, blocked=\d+(, \w+=\d+)*"
)

# The tutorial's transcript; a line of counts stands for as many as there are.
TUTORIAL = """\
Created workflow 1 with 100 jobs
Submitted to Local with 2 allocations

Watching workflow 1 (poll interval: 1s, auto-recover enabled, max retries: 3, job counts enabled)
  ...
Workflow 1 is complete

Workflow completed with failures:
  - Failed: 5
  - Canceled: 0
  - Terminated: 0
  - Completed: 95

Attempting automatic recovery (attempt 1/3)

Diagnosing failures...
  5 jobs: out of memory (proven): peak memory PEAK above its 64m
Applying recovery heuristics...
  Job 17 (train_model_7): OOM detected, increasing memory 64m -> MORE
  Job 22 (train_model_12): OOM detected, increasing memory 64m -> MORE
  Job 33 (train_model_23): OOM detected, increasing memory 64m -> MORE
  Job 41 (train_model_31): OOM detected, increasing memory 64m -> MORE
  Job 55 (train_model_45): OOM detected, increasing memory 64m -> MORE
  Applied fixes: 5 OOM, 0 timeout

Resetting failed jobs...
Regenerating Local schedulers and submitting...

Recovery initiated. Resuming monitoring...

Watching workflow 1 (poll interval: 1s, auto-recover enabled, max retries: 3, job counts enabled)
  ...
Workflow 1 is complete

✓ Workflow completed successfully (100 jobs)

Server data, logs and the jobs' output are in FOLDER
"""


def test_tutorial(site: "Site") -> None:
    demo = site.start("demo", "--directory", "demo")

    assert demo.end() == 0, demo.output
    shown = re.sub(r"(64m -> )\d+m", r"\1MORE", COUNTS.sub("  ...", demo.output))
    shown = re.sub(r"(  \.\.\.\n)+", "  ...\n", shown)
    shown = re.sub(r"peak memory [\d.]+m", "peak memory PEAK", shown)
    assert shown == TUTORIAL.replace("FOLDER", str(site.folder / "demo"))
    assert not site.processes()
    assert not site.home.exists(), "a demo keeps to its folder"
    folder = site.folder / "demo"
    log = folder / "output" / f"watch_{socket.gethostname()}_1.log"
    assert json.loads(log.read_text().splitlines()[-1])["event"] == "watch.ended"
    assert len(list((folder / "output" / "job_stdio").glob("job_wf1_j*_r*_a*.o"))) == 105
    assert (folder / "server" / "torc.db").exists()


# What ends a demo, and what it must have said on the way.
ROADS = {
    "timeout": (0, ["Timeout detected, increasing runtime PT2S -> PT4S", "0 OOM, 2 timeout"]),
    "unknown": (0, ["unknown failure (exit code 1), retrying without changes"]),
    "hopeless": (3, ["(attempt 3/3)", "Max retries (3) exceeded. Manual intervention required."]),
    "mixed": (0, ["Applied fixes: 2 OOM, 2 timeout", "unknown failure (exit code 1)"]),
    "manual": (1, ["  - Failed: 5", "Auto-recovery disabled. To enable, use --auto-recover flag."]),
}


@pytest.mark.parametrize("together", [["timeout", "unknown", "hopeless"], ["mixed", "manual"]])
def test_other_scenarios(site: "Site", together: list[str]) -> None:
    """Side by side, since they mostly wait."""
    demos = {
        name: site.start("demo", "--scenario", name, "-d", name, "--api", "0.12")
        for name in together
    }

    for name, demo in demos.items():
        status, lines = ROADS[name]
        assert demo.end() == status, demo.output
        for line in lines:
            assert line in demo.output
        assert "Traceback" not in demo.output
    assert not site.processes()


@pytest.mark.parametrize(
    ("scenario", "line", "how"),
    [
        ("unknown", "Created workflow 1", signal.SIGTERM),
        ("timeout", "running=2", signal.SIGINT),
        ("unknown", "Resetting failed jobs", signal.SIGHUP),
    ],
)
def test_interrupted_demo_leaves_nothing_running(
    site: "Site", scenario: str, line: str, how: signal.Signals
) -> None:
    demo = site.start("demo", "--scenario", scenario, "--directory", "demo")
    demo.until(line)

    assert demo.interrupt(how) == 130
    assert f"are in {site.folder / 'demo'}\n" in demo.output
    assert demo.output.endswith("torc-watchd: interrupted.\n")
    assert not site.processes()
