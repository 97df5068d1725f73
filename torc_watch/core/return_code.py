"""What return codes mean to shells, and to the kernel."""

from torc_watch.core.cause import Cause
from torc_watch.core.conclusion import Conclusion, likely

_LAST_SIGNAL = 64
# What shells and the kernel say where the output says nothing.
_CODES = {
    126: (Cause.ENVIRONMENT, "its program cannot be executed"),
    127: (Cause.ENVIRONMENT, "a command was not found"),
    128 + 4: (Cause.ENVIRONMENT, "an instruction that the processor does not know"),
    128 + 6: (Cause.CODE, "it aborted"),
    128 + 8: (Cause.CODE, "an arithmetic error"),
    128 + 11: (Cause.CODE, "it crashed"),
    128 + 25: (Cause.LIMIT, "a file became larger than is allowed"),
}


def cause_of_code(return_code: int) -> Cause | None:
    """None where it does not say."""
    return _CODES[return_code][0] if return_code in _CODES else None


def suggested_by_code(return_code: int) -> Conclusion | None:
    if return_code not in _CODES:
        return None
    cause, phrase = _CODES[return_code]
    return likely(cause, f"{phrase} ({exit_phrase(return_code)})")


def exit_phrase(return_code: int) -> str:
    if 128 < return_code <= 128 + _LAST_SIGNAL:  # above it are the program's own codes, such as 255
        return f"killed by signal {return_code - 128}"
    if return_code < 0:
        return "killed by a signal, which one was not recorded"
    return f"exit code {return_code}"
