"""The log for machines: one JSON object on each line."""

import io
import json
import socket
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from torc_watch.core import events
from torc_watch.core.assessment import Orphans
from torc_watch.core.events import FailedJob, Verdict
from torc_watch.core.model import Job, JobCounts, JobStatus
from torc_watch.logs.event_log import EventLog, open_log

ENDED = events.WatchEnded(
    workflow_id=7,
    verdict=Verdict.HANDED_OVER,
    reason="Größe",
    evidence=(FailedJob(job_id=1, job_name="a\nb", reason="too large", last_words="Killed"),),
)
JOB = Job(
    id=1, name="\ud800", command="true", status=JobStatus.RUNNING, requirements_id=2, attempt=1
)


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def log_path(folder: Path) -> Path:
    return folder / f"watch_{socket.gethostname()}_7.log"


def test_event_with_all_its_fields(tmp_path: Path) -> None:
    with open_log(tmp_path / "deep" / "output", 7) as log:
        log.write(ENDED)
    (line,) = read(log_path(tmp_path / "deep" / "output"))
    assert datetime.fromisoformat(line.pop("timestamp")).tzinfo is not None
    assert line == {
        "event": "watch.ended",
        "level": "info",
        "workflow_id": 7,
        "verdict": "handed_over",
        "reason": "Größe",
        "evidence": [
            {
                "job_id": 1,
                "job_name": "a\nb",
                "reason": "too large",
                "errors": None,
                "last_words": "Killed",
            }
        ],
    }


def test_counts_and_odd_names(tmp_path: Path) -> None:
    with open_log(tmp_path, 7) as log:
        log.write(events.JobsCounted(workflow_id=7, counts=JobCounts({JobStatus.READY: 2})))
        log.write(events.OrphansFound(workflow_id=7, orphans=Orphans(running=((JOB, 3),))))
    counted, found = read(log_path(tmp_path))
    assert counted["counts"] == {"by_status": {"ready": 2}}
    assert found["orphans"]["running"][0][0]["name"] == "\ud800"


def test_earlier_lines_stay(tmp_path: Path) -> None:
    for _ in range(2):
        with open_log(tmp_path, 7) as log:
            log.write(ENDED)
    assert len(read(log_path(tmp_path))) == 2


def test_line_is_there_at_once(tmp_path: Path) -> None:
    with open_log(tmp_path, 7) as log:
        log.write(ENDED)
        assert len(read(log_path(tmp_path))) == 1


def test_full_disk_is_complained_about_once(capsys: pytest.CaptureFixture[str]) -> None:
    full = Path("/dev/full").open("w", encoding="utf-8")  # noqa: SIM115 - closing it fails
    log = EventLog(full)
    for _ in range(3):
        log.write(ENDED)
    with suppress(OSError):
        full.close()
    complaint = capsys.readouterr().err
    assert complaint.count("No space left on device") == 1
    assert "/dev/full" in complaint


def test_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"), open_log(tmp_path / "file", 7):
        pass


def test_writes_to_whatever_it_is_given() -> None:
    file = io.StringIO()
    EventLog(file).write(ENDED)
    assert json.loads(file.getvalue())["event"] == "watch.ended"


def test_a_watch_that_was_refused_leaves_no_log(tmp_path: Path) -> None:
    with open_log(tmp_path, 7):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_refused_watch_keeps_the_log_of_an_earlier_one(tmp_path: Path) -> None:
    with open_log(tmp_path, 7) as log:
        log.write(ENDED)
    with open_log(tmp_path, 7):
        pass
    assert len(read(log_path(tmp_path))) == 1
