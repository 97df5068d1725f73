"""What an evidence pack has, and how much room each part of it may take."""

import json
from pathlib import Path

import pytest

from torc_watch.app.pack import Pack, redacted
from torc_watch.core.cause import Cause
from torc_watch.core.explanation import FailureGroup
from torc_watch.core.findings import Finding
from torc_watch.core.handover import (
    Contents,
    LeftOut,
    PackedFile,
    chosen_failures,
    ends_of_logs,
    lines_that_fit,
)
from torc_watch.core.model import Job, JobStatus
from torc_watch.core.redaction import Redactor
from torc_watch.core.units import GIB, KIB, MIB


def failure(job_id: int, command: str = "true") -> Finding:
    job = Job(
        id=job_id,
        name=f"job_{job_id}",
        command=command,
        status=JobStatus.FAILED,
        requirements_id=None,
        attempt=1,
    )
    return Finding(job=job, cause=Cause.UNKNOWN, reason="exit code 1", requirements=None)


def group(*ids: int) -> FailureGroup:
    return FailureGroup(findings=tuple(map(failure, ids)), fates={}, tried=0)


def test_logs_are_of_some_jobs_of_each_reason() -> None:
    groups = [group(*range(1, 200)), group(300, 301), group(400)]
    chosen = [finding.job.id for finding in chosen_failures(groups, 6)]
    assert chosen == [1, 300, 400, 2, 301, 3]
    assert len(chosen_failures(groups)) == 100
    assert chosen_failures([]) == ()


@pytest.mark.parametrize(
    ("room", "jobs", "ends"),
    [
        (50 * MIB, 1, (64 * KIB, 256 * KIB)),
        (GIB, 0, (64 * KIB, 256 * KIB)),
        (3 * MIB, 100, (2097, 8388)),
        (0, 100, (2 * KIB, 2 * KIB)),
    ],
)
def test_more_jobs_have_shorter_logs(room: int, jobs: int, ends: tuple[int, int]) -> None:
    assert ends_of_logs(room, jobs) == ends


def test_last_lines_that_fit() -> None:
    lines = ["one", "zwö", "three"]
    assert list(lines_that_fit(lines, 11)) == ["zwö", "three"]
    assert list(lines_that_fit(lines, 10)) == ["three"]
    assert list(lines_that_fit(lines, 5)) == []
    assert list(lines_that_fit(lines, 99)) == lines


def test_file_that_does_not_fit_is_left_out(tmp_path: Path) -> None:
    pack = Pack(tmp_path, MIB, Redactor(), json.dumps)
    pack.add("a", "x" * 800 * KIB, "text")
    pack.add("b", "x" * 200 * KIB, "text")
    pack.add("c", "x", "text", "a part of it")
    assert pack.free_name("c") == "c.2"
    contents = pack.contents()
    assert [(file.name, file.size, file.note) for file in contents.files] == [
        ("a", 800 * KIB, ""),
        ("c", 1, "a part of it"),
    ]
    assert contents.left_out == (
        LeftOut(what="b", why=f"too large: {200 * KIB} bytes, with --max-size 1m"),
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "c"]


def test_secret_of_a_later_file_is_taken_out_of_earlier_ones(tmp_path: Path) -> None:
    pack = Pack(tmp_path, 2 * MIB, Redactor(), json.dumps)
    pack.add("early", "wrote hunter2-Zq9\n", "text")
    pack.redactor.text("DB_PASSWORD=hunter2-Zq9")
    pack.redact_again()
    text = "wrote [redacted: password]\n"
    assert (tmp_path / "early").read_text() == text
    assert pack.contents() == Contents(
        files=(PackedFile(name="early", size=len(text), about="text"),), redacted={"password": 2}
    )


def test_texts_of_all_fields_are_redacted() -> None:
    found = redacted((failure(1, "run --password zz9"), {"a": ["token=t0ken9"]}), Redactor())
    assert found[0].job.command == "run --password [redacted: password]"
    assert found[0].job.status is JobStatus.FAILED
    assert found[1] == {"a": ["token=[redacted: token]"]}
