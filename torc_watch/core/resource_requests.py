"""How much to request for jobs that failed.

A request is never lowered, and never raised above what a node has. A measured peak is a lower bound
of what a job needs: sampling misses spikes, and a killed job never showed how far it would have
gone.
"""

import math
from collections.abc import Iterable, Mapping

from torc_watch.core.model import Requirements
from torc_watch.core.recovery_round import Adjustment, Retry
from torc_watch.core.row_names import raised_name
from torc_watch.core.units import MIB

_Target = tuple[str, int, int, tuple[int, int, int]]  # name, memory, runtime; CPUs, GPUs, nodes


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
    need = limit if peak is None or peak <= limit else _on_grid(peak)
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
        wanted = math.ceil(_on_grid(math.ceil(ran)) * multiplier)
    return wanted if cap is None else min(wanted, cap)


def _on_grid(seen: int) -> int:
    """``seen`` rounded up by at most 1/32, so that jobs that failed alike ask for the same.

    Jobs that ask for the same share one row of resource requirements.
    """
    step = 1 << max(0, seen.bit_length() - 6)
    return -(-seen // step) * step


def adjustments_for(
    retries: Iterable[Retry], asked: Mapping[int, Requirements | None], next_run: int
) -> tuple[Adjustment, ...]:
    """One new row for each distinct target, named so that a repeated round finds it again.

    ``asked`` is the row that each job, by its id, had until now. Rows raised from one root in
    different rounds may have the same target, and then share its row.
    """
    groups: dict[_Target, tuple[Requirements, list[int]]] = {}
    for retry in retries:
        base = asked[retry.job_id]
        if base is None or base.memory is None or base.runtime is None:
            continue
        memory = retry.memory[1] if retry.memory else base.memory
        runtime = retry.runtime[1] if retry.runtime else base.runtime
        if (memory, runtime) != (base.memory, base.runtime):
            name = raised_name(base.name, next_run, memory=memory, runtime=runtime)
            target = (name, memory, runtime, (base.num_cpus, base.num_gpus, base.num_nodes))
            groups.setdefault(target, (base, []))[1].append(retry.job_id)
    return tuple(
        Adjustment(name=name, base=base, memory=memory, runtime=runtime, job_ids=tuple(job_ids))
        for (name, memory, runtime, _), (base, job_ids) in groups.items()
    )
