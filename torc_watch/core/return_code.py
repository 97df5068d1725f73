"""What return codes mean to shells, and to the kernel."""

from torc_watch.core.cause import Cause
from torc_watch.core.conclusion import Conclusion, likely

ORPHANED = -128  # Torc's return code for a job whose worker died
OUT_OF_MEMORY = 137  # 128 + SIGKILL, which is how the kernel ends a job for its memory
TOLD_TO_END = 143  # 128 + SIGTERM
OUT_OF_TIME = 152  # 128 + SIGXCPU: a limit on CPU time, and Slurm's code for a time limit
LOST_SIGNAL = -1  # 0.12, of a program that bash replaced itself with
STOPPED_BY_WORKER = frozenset({-9, -15})  # the worker had to leave and took the job with it
KILLED = frozenset({OUT_OF_MEMORY, TOLD_TO_END, LOST_SIGNAL, -9, -15})  # perhaps from outside

_LAST_SIGNAL = 64
_SIGNALS = {
    4: "illegal instruction",
    6: "abort",
    7: "bus error",
    8: "arithmetic error",
    11: "segmentation fault",
}  # by which a program ends itself
# What shells and the kernel say where the output says nothing; None where the code says it itself.
_CODES: dict[int, tuple[Cause, str | None]] = {
    126: (Cause.ENVIRONMENT, "its program cannot be executed"),
    127: (Cause.ENVIRONMENT, "a command was not found"),
    128 + 4: (Cause.ENVIRONMENT, None),
    128 + 6: (Cause.CODE, None),
    128 + 8: (Cause.CODE, None),
    128 + 11: (Cause.CODE, None),
    128 + 25: (Cause.LIMIT, "a file became larger than is allowed"),
}


def cause_of_code(return_code: int) -> Cause | None:
    """None where it does not say."""
    return _CODES[return_code][0] if return_code in _CODES else None


def suggested_by_code(return_code: int) -> Conclusion | None:
    if return_code not in _CODES:
        return None
    cause, phrase = _CODES[return_code]
    said = exit_phrase(return_code)
    return likely(cause, f"{phrase} ({said})" if phrase else said)


def exit_phrase(return_code: int) -> str:
    if 128 < return_code <= 128 + _LAST_SIGNAL:  # above it are the program's own codes, such as 255
        signal = return_code - 128
        name = _SIGNALS.get(signal)
        return f"{name} (signal {signal})" if name else f"killed by signal {signal}"
    if return_code < 0:
        return "killed by a signal, which one was not recorded"
    return f"exit code {return_code}"
