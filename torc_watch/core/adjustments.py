"""New rows of requirements for jobs that run again with more."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torc_watch.core import units
from torc_watch.core.decisions import Retry
from torc_watch.core.model import Requirements

_NAME_OF_A_RAISED_ROW = re.compile(r"\.run\d+\.\w+\.\w+")
_Target = tuple[str, int, int, tuple[int, int, int]]  # name, memory, runtime; CPUs, GPUs, nodes


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment:
    """A new row of requirements, a copy of ``base`` with more, and the jobs that move to it."""

    name: str
    base: Requirements
    memory: int
    runtime: int
    job_ids: tuple[int, ...]


def adjustments_for(
    retries: Iterable[Retry], asked: Mapping[int, Requirements | None], next_run: int
) -> tuple[Adjustment, ...]:
    """One new row for each distinct target, named so that a repeated round finds it again.

    ``asked`` has the row that each job, by its id, had until now. Rows raised from one root in
    different rounds may meet in one target, and then share its row.
    """
    groups: dict[_Target, tuple[Requirements, list[int]]] = {}
    for retry in retries:
        base = asked[retry.job_id]
        if base is None or base.memory is None or base.runtime is None:
            continue
        memory = retry.memory[1] if retry.memory else base.memory
        runtime = retry.runtime[1] if retry.runtime else base.runtime
        if (memory, runtime) != (base.memory, base.runtime):
            name = _row_name(base, next_run, memory, runtime)
            target = (name, memory, runtime, (base.num_cpus, base.num_gpus, base.num_nodes))
            groups.setdefault(target, (base, []))[1].append(retry.job_id)
    return tuple(
        Adjustment(name=name, base=base, memory=memory, runtime=runtime, job_ids=tuple(job_ids))
        for (name, memory, runtime, _), (base, job_ids) in groups.items()
    )


def _row_name(base: Requirements, run_id: int, memory: int, runtime: int) -> str:
    root = _NAME_OF_A_RAISED_ROW.sub("", base.name)
    return f"{root}.run{run_id}.{units.format_memory(memory)}.{units.format_duration(runtime)}"
