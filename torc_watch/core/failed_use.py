"""What Torc concludes from the use of a job that failed: a first look, no diagnosis.

`torc-watchd why` weighs all evidence; this is what scripts for Torc's own report read.
"""

from dataclasses import dataclass

from torc_watch.core.model import TORCS_KILL_CODES
from torc_watch.core.utilization import EndedJob, JobUse, ResourceKind, uses_of

_LIKELY_TIMEOUT = 90  # percent of the run time that was requested
_NO_TIMEOUT = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedUse:
    """Shares and excess are in percent of what was requested; reasons are Torc's words."""

    memory_reason: str | None
    memory_excess: float | None
    runtime_share: float | None
    timeout_reason: str | None
    is_likely_timeout: bool
    exceeds_cpus: bool
    exceeds_runtime: bool


def failed_use(ended: EndedJob) -> FailedUse:
    uses = {use.resource: use for use in uses_of(ended)}
    memory, runtime = uses.get(ResourceKind.MEMORY), uses.get(ResourceKind.RUNTIME)
    excess = memory.excess if memory is not None and _exceeds(memory) else None
    share = None if runtime is None else runtime.excess + 100
    had_its_time = ended.result.return_code == TORCS_KILL_CODES.runtime
    return FailedUse(
        memory_reason=_memory_reason(ended.result.return_code, excess, share),
        memory_excess=excess,
        runtime_share=share,
        timeout_reason=f"sigxcpu_{TORCS_KILL_CODES.runtime}" if had_its_time else None,
        is_likely_timeout=had_its_time or (share or 0) > _LIKELY_TIMEOUT,
        exceeds_cpus=_exceeds(uses.get(ResourceKind.CPU)),
        exceeds_runtime=_exceeds(runtime),
    )


def _memory_reason(return_code: int, excess: float | None, share: float | None) -> str | None:
    if excess is not None:
        return "memory_exceeded"
    if return_code == TORCS_KILL_CODES.memory and (share or 0) < _NO_TIMEOUT:
        return f"sigkill_{TORCS_KILL_CODES.memory}"
    return None


def _exceeds(use: JobUse | None) -> bool:
    return use is not None and use.used > use.requested
