"""How much more to ask for. A request is never lowered, and never raised past what there is.

A measured peak is a lower bound of what a job needs: sampling misses spikes, and a killed job never
got to show how far it would have gone.
"""

import math

from torc_watch.core.units import MIB


def raised_memory(
    limit: int, *, peak: int | None, multiplier: float, cap: int | None
) -> int | None:
    """Bytes to ask for after an out-of-memory failure, in whole MiB unless the cap is not.

    None when no node has more than the job was already seen to need.
    """
    need = limit if peak is None or peak <= limit else _on_grid(peak)
    if cap is not None and cap <= max(limit, peak or 0):
        return None
    wanted = math.ceil(need * multiplier / MIB) * MIB
    return wanted if cap is None else min(wanted, cap)


def raised_runtime(
    limit: int, *, ran: float | None, multiplier: float, cap: int | None
) -> int | None:
    """Seconds to ask for after a time limit was hit; None when the limit is at the cap already.

    Where nobody enforces the limit of a job it has run longer, until its worker's time was over.
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
