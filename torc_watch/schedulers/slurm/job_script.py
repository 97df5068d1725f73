"""The script of an allocation: sbatch's options, then Torc's runner in place of the shell. Pure.

The runner replaces the shell (exec), so that Slurm's signals reach it: as a child it is killed
together with its shell and reports nothing. SIGTERM comes long enough before the time limit for it
to stop its jobs and to report them. The shell is no login shell: what profiles do, such as waiting
for a lock in the home folder, would be done on each node.
"""

import math
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from torc_watch.core.allocation import LONGEST_RUNTIME, AllocationSpec
from torc_watch.core.node_incident import is_node_name
from torc_watch.core.scheduler_rows import option_value
from torc_watch.core.units import MIB
from torc_watch.schedulers.base import WorkerAssignment

# Torc's runner gives its jobs 30 s to end, and waits for all of them. Slurm may send the signal
# up to a minute earlier than asked for.
_TERM_BEFORE_LIMIT = 60  # seconds
_MAX_CLAIM_PAUSE = 30  # seconds; Torc's own limit, 300, may sleep through the end of an allocation
CLAIM_PAUSE = "--claim-backoff-max-secs"  # since Torc 1.0
_MEMORY_OPTION = "--mem-per-"
_NODE_LIST = re.compile(r"[A-Za-z0-9_.,\[\]-]+", re.ASCII)
_GPU_OPTION = re.compile(r"--gpus|--gres[= ]\S*gpu|(^|\s)-G")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerSettings:
    """How the runner of an allocation is started.

    ``command`` takes the arguments of Torc's runner; ``has_claim_pause`` says whether also
    CLAIM_PAUSE, None where that is to be found out. ``password_file`` is read on the node.
    ``poll_interval`` is in seconds.
    """

    command: tuple[str, ...]
    has_claim_pause: bool | None = None
    password_file: Path | None = None
    poll_interval: int = 30


def job_script(spec: AllocationSpec, work: WorkerAssignment, runner: RunnerSettings) -> str:
    """The text. The password is not in it."""
    directives = [f"#SBATCH {option}" for option in _options(spec, work)]
    lines = ["#!/bin/sh", *directives, "", *_environment(work, runner)]
    return "\n".join([*lines, f"exec {shlex.join(_command(work, runner))}", ""])


def is_for_workflow(script: str, server: str, workflow_id: int) -> bool:
    """Whether its runner takes jobs of this workflow of this server."""
    last = script.rstrip().rpartition("\n")[2]
    return last.startswith("exec ") and f" {shlex.quote(server)} {workflow_id} " in last


def _options(spec: AllocationSpec, work: WorkerAssignment) -> list[str]:
    """Those of the workflow's own row first: of two alike Slurm takes the last."""
    output_dir = str(work.output_dir).replace("%", "%%")
    prefix = f"{output_dir}/slurm_output_wf{work.workflow_id}_sl%j"
    return [
        *spec.options,
        f"--job-name={spec.token}",
        f"--comment=torc-watch:{spec.token}",
        f"--chdir={_quoted(str(work.directory))}",
        f"--output={_quoted(f'{prefix}.o')}",
        f"--error={_quoted(f'{prefix}.e')}",
        f"--signal=B:TERM@{_TERM_BEFORE_LIMIT}",
        "--no-requeue",
        *size_options(spec),
    ]


def size_options(spec: AllocationSpec) -> list[str]:
    """What it asks for, where its own options do not say that already.

    Torc's runner needs a limit of the time.
    """
    carried = " ".join(spec.options)
    seconds = LONGEST_RUNTIME if spec.runtime is None else spec.runtime
    options = [
        f"--nodes={spec.num_nodes}",
        "--ntasks-per-node=1",
        f"--cpus-per-task={spec.num_cpus}",
        f"--time={max(1, math.ceil(seconds / 60))}",
    ]
    if _MEMORY_OPTION not in carried:
        options.append(f"--mem={math.ceil(spec.memory / MIB)}M")
    if spec.num_gpus and not _GPU_OPTION.search(carried):
        options.append(f"--gres=gpu:{spec.num_gpus}")
    if excluded := _excluded(spec):
        options.append(f"--exclude={','.join(excluded)}")
    return options


def _excluded(spec: AllocationSpec) -> list[str]:
    """With those that the user excludes, in whose place this option comes.

    None where that is a file of names, which no list can hold, or not to be understood.
    """
    names = [name for name in spec.excluded_nodes if is_node_name(name)]
    given = option_value(spec.options, "exclude").strip("\"'")
    if not given:
        return names
    return [given, *names] if names and _NODE_LIST.fullmatch(given) else []


def _quoted(path: str) -> str:
    """As sbatch reads its directives, where a blank outside of quotes begins another option."""
    escaped = path.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _environment(work: WorkerAssignment, runner: RunnerSettings) -> list[str]:
    lines = [
        # Each of them would change what srun, squeue or the runner make of the allocation.
        "unset SLURM_MEM_PER_CPU SLURM_MEM_PER_GPU SLURM_TIME_FORMAT SQUEUE_FORMAT SACCT_FORMAT",
        'export USER="${USER:-$(id -un)}"',
    ]
    if work.connection.username is not None:
        lines.append(f"export TORC_USERNAME={shlex.quote(work.connection.username)}")
    if runner.password_file is not None:
        path = shlex.quote(str(runner.password_file))
        lines.append(f'TORC_PASSWORD="$(cat {path})" || exit 1')
        lines.append("export TORC_PASSWORD")
    return lines


def _command(work: WorkerAssignment, runner: RunnerSettings) -> list[str]:
    connection = work.connection
    most = _longest_pause(work)
    command = [
        *(*runner.command, connection.url, str(work.workflow_id), str(work.output_dir)),
        *("--poll-interval", str(min(most, runner.poll_interval))),
    ]
    if runner.has_claim_pause:
        command += [CLAIM_PAUSE, str(min(most, _MAX_CLAIM_PAUSE))]
    if connection.ca_file is not None:
        command += ["--tls-ca-cert", str(connection.ca_file)]
    if not connection.verify_tls:
        command.append("--tls-insecure")
    return command


def _longest_pause(work: WorkerAssignment) -> int:
    """Seconds after which a worker looks for jobs again, a few times before it leaves."""
    wait = work.wait_for_new_jobs
    return _MAX_CLAIM_PAUSE if wait is None else max(1, wait // 3)
