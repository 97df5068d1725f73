"""How Torc names the files that hold what a job printed."""


def stdio_name(*, workflow_id: int, job_id: int, run_id: int, attempt: int, stream: str) -> str:
    """Path below the output folder; ``stream`` is ``o`` for standard output, ``e`` for errors."""
    return f"job_stdio/job_wf{workflow_id}_j{job_id}_r{run_id}_a{attempt}.{stream}"
