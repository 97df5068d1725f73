"""Names of rows of requirements that recovery raised: they tell the row from which it did."""

import re

from torc_watch.core import units

_NAME_OF_A_RAISED_ROW = re.compile(r"\.run\d+\.\w+\.\w+(?:\.\d+cpus)?")


def root_name(name: str) -> str:
    """The name of the row from which a row with this name was raised, or its own."""
    return _NAME_OF_A_RAISED_ROW.sub("", name)


def raised_name(
    name: str, run_id: int, *, memory: int, runtime: int, num_cpus: int | None = None
) -> str:
    """The name of a row raised from the one with that name; ``num_cpus`` only where it has more."""
    text = f"{units.format_memory(memory)}.{units.format_duration(runtime)}"
    cpus = "" if num_cpus is None else f".{num_cpus}cpus"
    return f"{root_name(name)}.run{run_id}.{text}{cpus}"
