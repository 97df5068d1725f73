"""Lists of nodes as Slurm abbreviates them. Pure."""

import re
from collections.abc import Iterator
from itertools import product

_LISTS = re.compile(r"(?:\[[^][]*\]|[^],[])+")  # between the commas outside of brackets
_PARTS = re.compile(r"\[([^][]*)\]|([^][]+)")


def node_names(text: str) -> list[str]:
    """The names that ``n[1-2,007],gpu3`` stands for: n1, n2, n007 and gpu3."""
    return [
        "".join(name)
        for listed in _LISTS.findall(text)
        for name in product(*(_choices(*part) for part in _PARTS.findall(listed)))
    ]


def _choices(ranges: str, plain: str) -> list[str]:
    if plain:
        return [plain]
    return [number for each in ranges.split(",") for number in _numbers(each)]


def _numbers(text: str) -> Iterator[str]:
    """The first number of a range has the zeros that all have."""
    first, _, last = text.partition("-")
    if not (first.isdecimal() and last.isdecimal()):
        yield text
        return
    for number in range(int(first), int(last) + 1):
        yield f"{number:0{len(first)}}"
