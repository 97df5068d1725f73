"""Quantities as Torc keeps them in rows of Slurm schedulers: in Slurm's own spelling.

Each function returns None for what it cannot read, and for what leaves the answer to Slurm.
"""

import re

from torc_watch.core.units import GIB, KIB, MIB, TIB

_MEMORY = re.compile(r"(?P<number>[0-9]{1,15})(?P<unit>[KMGT]?)B?", re.IGNORECASE | re.ASCII)
_BYTES_PER_UNIT = {"": MIB, "K": KIB, "M": MIB, "G": GIB, "T": TIB}
_TIME = re.compile(
    r"(?:(?P<days>[0-9]{1,6})-)?(?P<first>[0-9]{1,6})(?::(?P<second>[0-9]{1,2}))?"
    r"(?::(?P<third>[0-9]{1,2}))?",
    re.ASCII,
)
_GPUS = re.compile(r"gpu(?::[\w.-]+)??(?::(?P<number>[0-9]{1,4}))?(?:\(.*\))?", re.ASCII)
_CPUS_PER_TASK = re.compile(r"(?:^|\s)(?:--cpus-per-task(?:=|\s+)|-c\s*)(?P<number>[0-9]{1,6})\b")

_PARTITION = re.compile(r"(?:^|\s)(?:--partition(?:=|\s+)|-p\s*)(?P<names>[\w.,-]+)", re.ASCII)


def read_memory(text: str) -> int | None:
    """Bytes of ``--mem``: a number without a unit is in MiB. 0 means all of the node: None."""
    match = _MEMORY.fullmatch(text)
    if match is None:
        return None
    return int(match["number"]) * _BYTES_PER_UNIT[match["unit"].upper()] or None


def read_time(text: str) -> int | None:
    """Seconds of ``--time``: ``M``, ``M:S``, ``H:M:S``, ``D-H``, ``D-H:M`` or ``D-H:M:S``.

    0 means no limit: None.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    first, second, third = (int(match[name] or 0) for name in ("first", "second", "third"))
    if match["days"] is not None:
        seconds = ((int(match["days"]) * 24 + first) * 60 + second) * 60 + third
    elif match["third"] is not None:
        seconds = (first * 60 + second) * 60 + third
    else:
        seconds = first * 60 + second
    return seconds or None


def read_gpus(text: str) -> int | None:
    """GPUs of each node in ``--gres``, such as ``gpu:2`` or ``gpu:h100:4,tmpdisk:100``."""
    numbers = [
        int(match["number"] or 1)
        for match in map(_GPUS.fullmatch, text.split(","))
        if match is not None
    ]
    return sum(numbers) if numbers else None


def read_cpus_per_task(text: str) -> int | None:
    """CPUs of ``--cpus-per-task`` or ``-c`` among other options."""
    match = _CPUS_PER_TASK.search(text)
    return int(match["number"]) if match else None


def read_partitions(text: str) -> tuple[str, ...]:
    """Those of the last ``--partition`` or ``-p`` among other options: Slurm takes the last."""
    named = _PARTITION.findall(text)
    return tuple(named[-1].split(",")) if named else ()
