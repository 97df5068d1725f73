"""Torc's names for what a job leaves behind: its output files, and its step in an allocation."""


def stdio_name(*, workflow_id: int, job_id: int, run_id: int, attempt: int, stream: str) -> str:
    """Path relative to the output folder; ``stream`` is ``o`` for stdout, ``e`` for stderr."""
    return f"job_stdio/job_wf{workflow_id}_j{job_id}_r{run_id}_a{attempt}.{stream}"


def step_name(*, workflow_id: int, job_id: int, run_id: int, attempt: int) -> str:
    """The name of the step, where the worker runs each job as one."""
    return f"wf{workflow_id}_j{job_id}_r{run_id}_a{attempt}"
