"""Torc's names for what jobs leave behind: files, and their steps in an allocation."""

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


def allocation_output_names(*, workflow_id: int, number: int) -> list[str]:
    """What Slurm keeps of the output of an allocation, first where errors are."""
    return [f"slurm_output_wf{workflow_id}_sl{number}.{stream}" for stream in ("e", "o")]


def kernel_log_pattern(workflow_id: int) -> str:
    """Of the kernel's log of each node, which Torc keeps after failures."""
    return f"dmesg_slurm_wf{workflow_id}_sl*_n*_pid*.log"


def is_kernel_log_of(name: str, *, workflow_id: int, number: int) -> bool:
    return name.startswith(f"dmesg_slurm_wf{workflow_id}_sl{number}_n")


def runner_log_pattern(*, workflow_id: int, number: int) -> str:
    """Of the logs of Torc's runners in an allocation, one for each node with a runner."""
    return f"job_runner_slurm_wf{workflow_id}_sl{number}_n*_pid*.log"


def lone_runner_log_pattern(*, workflow_id: int, run_id: int) -> str:
    """Of the log of a ``torc run`` outside allocations."""
    return f"job_runner_*_wf{workflow_id}_r{run_id}.log"
