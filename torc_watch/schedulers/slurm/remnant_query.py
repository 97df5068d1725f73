"""Ends what is left of attempts on the nodes of an allocation that is alive.

In one step on all of its nodes: a job may have started processes on others than its worker's.
"""

from functools import partial

from torc_watch.core.errors import SchedulerError
from torc_watch.schedulers.base import EndedAttempts
from torc_watch.schedulers.slurm.remnant_script import REMNANT_SCRIPT, parse_ended
from torc_watch.schedulers.slurm.slurm_commands import run_slurm
from torc_watch.schedulers.slurm.slurm_query import RunSlurm, ask
from torc_watch.schedulers.slurm.slurm_table import rows_after

_MOST = 1000  # attempts in one step: the kernel limits how long arguments are
_TIME_LIMIT = 20.0  # seconds; a firewall may keep the nodes from answering
_SIZE_FORMAT = "--format=%A|%D"
_SIZE_HEADING = ("JOBID", "NODES")
# Beside what runs there, with none of its memory, and nothing of our environment.
_BESIDE = ("--overlap", "--mem=0", "--ntasks-per-node=1", "--export=PATH,LC_ALL", "--chdir=/")
_ALONE = ("--input=none", "--mpi=none", "--cpu-bind=none", "--time=1", "--job-name=torc-watch")

_run = partial(run_slurm, time_limit=_TIME_LIMIT)


async def end_remnants(number: int, attempts: EndedAttempts, run: RunSlurm = _run) -> int:
    """How many processes were killed. Raises SchedulerError where some may be left."""
    squeue = ("squeue", "--states=running", f"--jobs={number}", _SIZE_FORMAT)
    nodes = await ask(partial(_size, number), run, *squeue)
    shape = ("srun", f"--jobid={number}", f"--nodes={nodes}", *_BESIDE, *_ALONE)
    script = ("sh", "-c", REMNANT_SCRIPT, "sh", str(number))
    run_of = (f"{attempts.workflow_id:d}", f"{attempts.run_id:d}")
    pairs = [f"{job_id:d}.{attempt:d}" for job_id, attempt in sorted(attempts.attempts.items())]
    ended = 0
    for first in range(0, len(pairs), _MOST):
        part = pairs[first : first + _MOST]
        answer = await run(*shape, *script, *run_of, *part)  # once: a batch of jobs waits for it
        ended += parse_ended(answer, nodes=nodes)
    return ended


def _size(number: int, text: str) -> int:
    sizes = dict(rows_after(text, _SIZE_HEADING))
    nodes = sizes.get(str(number), "")
    if not nodes.isdecimal():
        raise SchedulerError(f"Allocation {number} does not run now.")
    return int(nodes)
