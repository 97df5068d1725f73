"""What squeue and sacct printed for the ends of jobs, in three releases, and what it means.

`tests/fixtures/slurm` has what was captured; 22.05 is in `tests/cluster`.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from torc_watch.core.allocation import AllocationState, AllocationStatus, EndCause
from torc_watch.core.errors import SchedulerUnreachable
from torc_watch.schedulers.slurm.job_status import status_of
from torc_watch.schedulers.slurm.job_table import parse_accounting, parse_queue

_FIXTURES = Path(__file__).parents[1] / "fixtures/slurm"
_CAPTURED: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text()) for path in _FIXTURES.glob("*.json")
}
_ACCOUNTING = "JobIDRaw|State|ExitCode|NodeList"
_ENDS: dict[str, EndCause | None] = {
    "ok": None,
    "bad_workdir": None,
    "signal_usr1_exit0": None,
    "oom_cgroup_srun": None,  # the step's end is not the allocation's
    "step_failed_job_ok": None,
    "node_fail_requeued_done": None,  # its second life
    "failed_exit1": EndCause.FAILED,
    "failed_exit3": EndCause.FAILED,
    "failed_segv_child": EndCause.FAILED,
    "failed_sigkill_exec": EndCause.FAILED,
    "oom_cgroup_child_exit0": EndCause.OUT_OF_MEMORY,
    "oom_cgroup_exec": EndCause.OUT_OF_MEMORY,
    "timeout": EndCause.TIME_LIMIT,
    "timeout_srun": EndCause.TIME_LIMIT,
    "timeout_trap_term": EndCause.TIME_LIMIT,
    "node_fail_admin_down": EndCause.NODE_FAILURE,
    "preempted": EndCause.PREEMPTED,
    "canceled_pending": EndCause.CANCELED,
    "canceled_pending_by_root": EndCause.CANCELED,
    "canceled_running": EndCause.CANCELED,
    "canceled_running_by_root": EndCause.CANCELED,
    "scancel_s_KILL": EndCause.CANCELED,
}


def _status(queue: str, accounting: str, number: int = 7) -> AllocationStatus:
    queued = parse_queue(f"JOBID|STATE\n{queue}").get(number)
    lives = parse_accounting(f"{_ACCOUNTING}\n{accounting}").get(number, ())
    return status_of(queued, lives, "user-{}".format)


def _captured_status(release: str, case: str) -> AllocationStatus:
    captured = _CAPTURED[release][case]
    queued = parse_queue(captured["squeue"]).get(captured["number"])
    lives = parse_accounting(captured["sacct"]).get(captured["number"], ())
    return status_of(queued, lives, "user-{}".format)


@pytest.mark.parametrize("case", _ENDS)
@pytest.mark.parametrize("release", _CAPTURED)
def test_captured_end_has_its_cause(release: str, case: str) -> None:
    status = _captured_status(release, case)

    assert (status.state, status.cause) == (AllocationState.GONE, _ENDS[case])


@pytest.mark.parametrize("case", ["running", "preempted_requeued", "node_fail_requeued"])
@pytest.mark.parametrize("release", _CAPTURED)
def test_captured_job_that_goes_on_is_alive(release: str, case: str) -> None:
    """A requeued job, too, whose accounting says how its first life ended."""
    assert _captured_status(release, case) == AllocationStatus(state=AllocationState.ALIVE)


@pytest.mark.parametrize(("case", "user"), [("", "user-2001"), ("_by_root", "user-0")])
@pytest.mark.parametrize("release", _CAPTURED)
def test_user_who_canceled_is_named(release: str, case: str, user: str) -> None:
    for what in ("running", "pending"):
        assert _captured_status(release, f"canceled_{what}{case}").canceled_by == user


def test_detail_says_where_and_how_it_ended() -> None:
    status = _status("", "7|NODE_FAIL|1:0|n[1-2]")

    assert status.detail == "Slurm state NODE_FAIL on n[1-2], exit code 1:0"


def test_detail_of_one_that_never_ran_has_no_node() -> None:
    status = _status("", "7|CANCELLED by 0|0:0|None assigned")

    assert status.detail == "Slurm state CANCELLED, exit code 0:0"


def test_exit_code_of_a_missing_folder_is_explained() -> None:
    assert "working directory" in _status("", "7|FAILED|0:53|n1").detail


@pytest.mark.parametrize(
    ("queue", "accounting", "state"),
    [
        ("7|COMPLETING", "", "alive"),  # it hides how the job ends
        ("7|COMPLETING", "7|CANCELLED by 0|0:0|n1", "alive"),
        ("7|REQUEUE_HOLD", "7|NODE_FAIL|0:0|n1", "alive"),
        ("7|PENDING", "7|PREEMPTED|0:0|n1", "alive"),
        ("7|SPECIAL_EXIT", "", "alive"),
        ("", "", "unknown"),  # nobody has heard of it
        ("8|RUNNING", "8|RUNNING|0:0|n1", "unknown"),
        ("7|COMPLETED", "", "unknown"),  # accounting is late
        ("7|COMPLETED", "7|RUNNING|0:0|n1", "unknown"),
        ("7|COMPLETED", "7|NODE_FAIL|0:0|n1", "unknown"),  # of the life before
        ("", "7|RUNNING|0:0|n1", "unknown"),  # the controller forgot it in a crash
        ("", "7|NODE_FAIL|0:0|n1\n7|PENDING|0:0|None assigned", "unknown"),
        ("7|REVOKED", "7|FAILED|1:0|n1", "unknown"),
        ("7|A_NEW_STATE", "7|FAILED|1:0|n1", "unknown"),
        ("", "7|A_NEW_STATE|0:0|n1", "unknown"),
        ("", "7.batch|COMPLETED|0:0|n1", "unknown"),  # a step is not the job
        ("", "7|FAILED", "unknown"),  # half a line
        ("7|CANCELLED", "7|CANCELLED|0:0|n1", "gone"),
        ("", "7|NODE_FAIL|0:0|n1\n7|COMPLETED|0:0|n2", "gone"),
        ("", "7|RESIZING|0:0|n[1-2]\n7|FAILED|1:0|n1", "gone"),
    ],
)
def test_only_accounting_says_that_a_job_is_gone(queue: str, accounting: str, state: str) -> None:
    assert _status(queue, accounting).state == state


def test_unknown_says_what_is_missing() -> None:
    assert "NODE_FAIL" in _status("7|COMPLETED", "7|NODE_FAIL|0:0|n1").detail


@pytest.mark.parametrize("text", ["", "\n", "7|RUNNING\n", "Welcome to the cluster\n"])
def test_answer_without_a_heading_is_no_answer(text: str) -> None:
    with pytest.raises(SchedulerUnreachable):
        parse_queue(text)
    with pytest.raises(SchedulerUnreachable):
        parse_accounting(text)


def test_banner_of_the_site_is_skipped() -> None:
    text = "--- Welcome | news | Monday ---\nJOBID|STATE\nsome notice\n7|RUNNING\n"

    assert parse_queue(text) == {7: "RUNNING"}


def test_tasks_of_an_array_do_not_hide_a_job() -> None:
    assert parse_queue("JOBID|STATE\n53_[2-3]|PENDING\n53|RUNNING\n") == {53: "RUNNING"}
