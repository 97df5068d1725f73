"""How much memory a program asked for in vain, or used when it was killed: what its output says."""

import re

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40, "P": 1 << 50}
_SIZE = r"(?P<size>\d{1,12}(?:\.\d{1,6})?)"
_IN_UNITS = (
    re.compile(rf"\bUnable to allocate {_SIZE} (?P<unit>[KMGTP]?)i?(?:B|bytes)\b"),  # NumPy
    re.compile(rf"\bcannot allocate (?:vector|memory block) of size {_SIZE} (?P<unit>[KMGT])b\b"),
)
_IN_KIB = re.compile(rf"\bexceeded (?:virtual )?memory limit \({_SIZE} > \d+\)")  # Slurm
_OF_A_GPU = re.compile(r"(?i)cuda|cupy|cudnn|\bgpus?\b|\bhip|\brocm\b|\bxla\b|\bdevice\b")


def wanted_memory(line: str) -> int | None:
    """Bytes, a lower bound of what the job needs; None where the line does not say.

    What a GPU lacks is no memory that a job can request.
    """
    if _OF_A_GPU.search(line):
        return None
    for pattern in _IN_UNITS:
        if match := pattern.search(line):
            return int(float(match["size"]) * _UNITS[match["unit"]])
    if match := _IN_KIB.search(line):
        return int(float(match["size"]) * _UNITS["K"])
    return None
