"""Torc's names for what a job leaves behind: its output files, and its step in an allocation."""

STREAMS = ("e", "log", "o")  # errors; both streams, where they are combined; output


def stdio_name(*, workflow_id: int, job_id: int, run_id: int, attempt: int, stream: str) -> str:
    """Path relative to the output folder.

    ``stream`` is ``o`` for stdout, ``e`` for stderr, ``log`` for both in one file.
    """
    return f"job_stdio/job_wf{workflow_id}_j{job_id}_r{run_id}_a{attempt}.{stream}"


def output_names(*, workflow_id: int, job_id: int, run_id: int, attempt: int) -> list[str]:
    """What one attempt may have written, as ``stdio_name`` says: first where errors are."""
    return [
        stdio_name(
            workflow_id=workflow_id, job_id=job_id, run_id=run_id, attempt=attempt, stream=stream
        )
        for stream in STREAMS
    ]


def step_name(*, workflow_id: int, job_id: int, run_id: int, attempt: int) -> str:
    """The name of the step, where the worker runs each job as one."""
    return f"wf{workflow_id}_j{job_id}_r{run_id}_a{attempt}"
