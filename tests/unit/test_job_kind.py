import pytest

from torc_watch.core.job_kind import kind_key, template_of
from torc_watch.core.model import Job, JobStatus, Requirements


@pytest.mark.parametrize(
    ("name", "template"),
    [
        ("train_model_7", "train_model_*"),
        ("work_007", "work_*"),
        ("train_lr0.01_seed5", "train_lr*_seed*"),
        ("train_lr1e-05_a", "train_lr*_a"),
        ("shift_-2.5", "shift_*"),
        ("a-1-b", "a-*-b"),
        ("run-2026-11-30", "run-*-*-*"),
        ("merge", "merge"),
        ("", ""),
        ("9" * 100_000, "*"),
    ],
)
def test_numbers_of_a_name_are_parameters(name: str, template: str) -> None:
    assert template_of(name) == template


def test_job_that_recovery_raised_stays_of_its_kind() -> None:
    raised = kind_key(42, _job("train_2"), _row("big.run2.16g.PT1H"))

    assert raised == kind_key(42, _job("train_1"), _row("big"))


def test_jobs_with_other_requirements_are_of_another_kind() -> None:
    keys = {kind_key(42, _job("train_1"), row) for row in (_row("big"), _row("small"), None)}

    assert len(keys) == 3


def _job(name: str) -> Job:
    return Job(
        id=1, name=name, command="", status=JobStatus.FAILED, requirements_id=None, attempt=1
    )


def _row(name: str) -> Requirements:
    return Requirements(id=1, name=name, num_cpus=1, num_gpus=0, num_nodes=1, memory=1, runtime=1)
