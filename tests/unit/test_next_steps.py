"""What a watch in the foreground says at its end."""

from pathlib import Path

import pytest

from torc_watch.core.events import FailedJob, Verdict, WatchEnded
from torc_watch.render.next_steps import next_steps

LOG = Path("/scratch/watch_login01_42.log")


def steps(verdict: Verdict, url: str | None = None) -> list[str]:
    return list(next_steps(WatchEnded(workflow_id=42, verdict=verdict), url, LOG))


@pytest.mark.parametrize(
    "verdict", [Verdict.EXHAUSTED, Verdict.HANDED_OVER, Verdict.STUCK, Verdict.FAILED]
)
def test_watch_without_success_names_our_own_commands(verdict: Verdict) -> None:
    text = "\n".join(steps(verdict))
    names = ("why", "status", "plan", "recover", "history", "report", "handover")
    for command in (*(f"{name} 42" for name in names), "mcp"):
        assert f"  torc-watchd {command} " in text
    assert str(LOG) in text


@pytest.mark.parametrize("verdict", [Verdict.SUCCEEDED, Verdict.RESUBMITTED, Verdict.UNREACHABLE])
def test_nothing_else_is_to_be_done(verdict: Verdict) -> None:
    assert steps(verdict) == []


def test_commands_ask_the_same_server() -> None:
    lines = steps(Verdict.EXHAUSTED, "http://host:1/a b")
    assert lines[2].startswith("  torc-watchd why 42 --url 'http://host:1/a b' ")


def test_output_of_a_failed_job_is_named() -> None:
    job = FailedJob(job_id=7, job_name="train", reason="exit code 1")
    ended = WatchEnded(workflow_id=42, verdict=Verdict.EXHAUSTED, evidence=(job,))
    lines = list(next_steps(ended, "http://host", LOG))
    assert lines[3].startswith("  torc-watchd jobs logs 7 --url http://host  ")
    assert lines[3].endswith("# what train has written")
