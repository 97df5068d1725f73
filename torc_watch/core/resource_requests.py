"""How much to request for jobs that failed.

A request is never lowered, and never raised above what a node has. A measured peak is a lower bound
of what a job needs: sampling misses spikes, and a killed job never showed how far it would have
gone.
"""

import math
from collections.abc import Iterable, Mapping

from torc_watch.core.model import Requirements
from torc_watch.core.recovery_round import Adjustment, Raise, Retry
from torc_watch.core.row_names import raised_name
from torc_watch.core.units import MIB

# Name, memory, runtime, raised CPUs; CPUs, GPUs and nodes of the base.
_Target = tuple[str, int, int, int | None, tuple[int, int, int]]


def raised_memory(
    limit: int, *, peak: int | None, multiplier: float, cap: int | None, wanted: int | None = None
) -> int | None:
    """Bytes to ask for after an out-of-memory failure, in whole MiB unless the cap is not.

    ``wanted`` is what the job said that it lacked: it counts where it is more than would be asked
    for without it. None when no node has more than the job was already seen to need.
    """
    asked = _raised_for_peak(limit, peak, multiplier, cap)
    if asked is None or wanted is None or wanted <= asked:
        return asked
    return _raised_for_peak(limit, wanted, multiplier, cap)


def _raised_for_peak(
    limit: int, peak: int | None, multiplier: float, cap: int | None
) -> int | None:
    need = limit if peak is None or peak <= limit else on_grid(peak)
    if cap is not None and cap <= max(limit, peak or 0):
        return None
    asked = math.ceil(need * multiplier / MIB) * MIB
    return asked if cap is None else min(asked, cap)


def raised_runtime(
    limit: int, *, ran: float | None, multiplier: float, cap: int | None
) -> int | None:
    """Seconds to ask for after a time limit was hit; None when the limit is at the cap already.

    Where the limit of a job is not enforced, it ran longer, until its worker's time was over.
    """
    if cap is not None and cap <= limit:
        return None
    wanted = max(limit + 1, math.ceil(limit * multiplier))
    if ran is not None and wanted <= ran:
        wanted = math.ceil(on_grid(math.ceil(ran)) * multiplier)
    return wanted if cap is None else min(wanted, cap)


def on_grid(seen: int) -> int:
    """``seen`` rounded up by at most 1/32, so that jobs that failed alike ask for the same.

    Jobs that ask for the same share one row of resource requirements.
    """
    step = 1 << max(0, seen.bit_length() - 6)
    return -(-seen // step) * step


def adjustments_for(
    changes: Iterable[Retry | Raise], asked: Mapping[int, Requirements | None], next_run: int
) -> tuple[Adjustment, ...]:
    """One new row for each distinct target, named so that a repeated round finds it again.

    ``asked`` is the row that each job, by its id, had until now. Rows raised from one root in
    different rounds may have the same target, and then share its row.
    """
    groups: dict[_Target, tuple[Requirements, list[int]]] = {}
    for change in changes:
        base = asked[change.job_id]
        if base is None or base.memory is None or base.runtime is None:
            continue
        memory = change.memory[1] if change.memory else base.memory
        runtime = change.runtime[1] if change.runtime else base.runtime
        cpus = change.cpus[1] if isinstance(change, Retry) and change.cpus else None
        if (memory, runtime, cpus) != (base.memory, base.runtime, None):
            name = raised_name(base.name, next_run, memory=memory, runtime=runtime, num_cpus=cpus)
            target = (name, memory, runtime, cpus, (base.num_cpus, base.num_gpus, base.num_nodes))
            groups.setdefault(target, (base, []))[1].append(change.job_id)
    return tuple(
        Adjustment(
            name=name,
            base=base,
            memory=memory,
            runtime=runtime,
            job_ids=tuple(job_ids),
            num_cpus=cpus,
        )
        for (name, memory, runtime, cpus, _), (base, job_ids) in groups.items()
    )
