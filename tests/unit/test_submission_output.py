"""What a submission prints: numbers and words that belong together."""

import pytest

from torc_watch.app.local_submission import Submission
from torc_watch.app.slurm_submission import SlurmSubmission
from torc_watch.cli import submit, submit_slurm
from torc_watch.core import events
from torc_watch.core.model import JobCounts, JobStatus
from torc_watch.render.transcript import Transcript


@pytest.mark.parametrize(
    ("jobs", "allocations", "lines"),
    [
        (1, (7,), ["Created workflow 3 with 1 job", "Submitted to Local with 1 allocation"]),
        (2, (7, 8), ["Created workflow 3 with 2 jobs", "Submitted to Local with 2 allocations"]),
        (
            2,
            (),
            [
                "Created workflow 3 with 2 jobs",
                "Nothing runs it yet. Start it with: torc-watchd recover 3",
            ],
        ),
    ],
)
def test_local_submission(
    capsys: pytest.CaptureFixture[str], jobs: int, allocations: tuple[int, ...], lines: list[str]
) -> None:
    submit._show(Submission(workflow_id=3, jobs=jobs, allocations=allocations, warnings=()))

    assert capsys.readouterr().out.splitlines() == lines


def test_submission_to_slurm_that_is_all_for_later(capsys: pytest.CaptureFixture[str]) -> None:
    submit_slurm._show(SlurmSubmission(workflow_id=3, jobs=1, allocations=(), later=1))

    printed = capsys.readouterr()
    assert printed.out == ""
    assert "1 more allocation will be submitted" in printed.err


def test_one_job_that_succeeded() -> None:
    counts = JobCounts({JobStatus.COMPLETED: 1})
    event = events.WorkflowSucceeded(workflow_id=3, counts=counts)

    assert list(Transcript().lines(event)) == ["✓ Workflow completed successfully (1 job)"]
