import pytest

from torc_watch.core.scheduler_choice import SchedulerChoice, chosen_type, problem_with

AUTO, LOCAL, SLURM = SchedulerChoice


@pytest.mark.parametrize(
    ("choice", "used", "expected"),
    [
        (AUTO, (), "local"),
        (AUTO, ("local",), "local"),
        (AUTO, ("slurm",), "slurm"),
        (AUTO, ("local", "slurm"), "slurm"),
        (LOCAL, ("slurm",), "local"),
        (SLURM, ("local",), "slurm"),
    ],
)
def test_workflow_with_anything_of_slurms_is_recovered_into_slurm(
    choice: SchedulerChoice, used: tuple[str, ...], expected: str
) -> None:
    assert chosen_type(choice, used=used) == expected


@pytest.mark.parametrize(
    ("scheduler_type", "known", "has_rows", "text"),
    [
        ("local", ("local",), False, ""),
        ("local", ("local", "slurm"), True, ""),
        ("slurm", ("local", "slurm"), True, ""),
        ("slurm", ("local",), True, "on a login node of its cluster"),
        ("slurm", ("local", "slurm"), False, "Add one to it with Torc"),
    ],
)
def test_scheduler_that_cannot_be_asked_is_named_with_what_to_do(
    scheduler_type: str, known: tuple[str, ...], *, has_rows: bool, text: str
) -> None:
    problem = problem_with(scheduler_type, 42, known=known, has_rows=has_rows)
    assert text in problem
    assert bool(problem) == bool(text) == ("--scheduler local" in problem)
