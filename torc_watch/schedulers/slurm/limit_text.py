"""Limits as Slurm prints them. Pure.

UNLIMITED, NONE, N/A and an empty text are no limit: None. So is what cannot be read: an unknown
limit is left to Slurm, and does not become a wrong one.
"""

import math
import re

from torc_watch.planner.cluster_description import Tres
from torc_watch.planner.limits import lowest

_COUNT = re.compile(r"[0-9]{1,18}", re.ASCII)
_SIZE = re.compile(r"(?P<number>[0-9]{1,15}(?:\.[0-9]{1,9})?)(?P<unit>[KMGTPE]?)B?", re.ASCII)
_UNITS = "KMGTPE"  # each 1024 of the one before


def read_count(text: str) -> int | None:
    return int(text) if _COUNT.fullmatch(text) else None


def read_size(text: str) -> int | None:
    """Bytes, rounded down: ``4000`` (MiB), ``10G``, ``1.5T``. 0 is a limit like others."""
    match = _SIZE.fullmatch(text)
    if match is None:
        return None
    power = _UNITS.index(match["unit"] or "M") + 1
    return math.floor(float(match["number"]) * (1 << 10 * power))


def read_tres(text: str) -> Tres:
    """``cpu=8,mem=100G,node=2,gres/gpu=4``; a limit on one type of GPU is none on all."""
    amounts = dict(part.split("=", 1) for part in text.split(",") if "=" in part)
    return Tres(
        num_cpus=read_count(amounts.get("cpu", "")),
        memory=read_size(amounts.get("mem", "")),
        num_nodes=read_count(amounts.get("node", "")),
        num_gpus=read_count(amounts.get("gres/gpu", "")),
    )


def strictest(*limits: Tres) -> Tres:
    """The lowest limit on each amount."""
    return Tres(
        num_cpus=lowest(*(each.num_cpus for each in limits)),
        memory=lowest(*(each.memory for each in limits)),
        num_nodes=lowest(*(each.num_nodes for each in limits)),
        num_gpus=lowest(*(each.num_gpus for each in limits)),
    )
