"""Torc's names for the files with a job's standard output and error."""


def stdio_name(*, workflow_id: int, job_id: int, run_id: int, attempt: int, stream: str) -> str:
    """Path relative to the output folder; ``stream`` is ``o`` for stdout, ``e`` for stderr."""
    return f"job_stdio/job_wf{workflow_id}_j{job_id}_r{run_id}_a{attempt}.{stream}"
