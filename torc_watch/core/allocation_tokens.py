"""The tokens of allocations, by which they are found again.

A token becomes the name of a job of Slurm. Torc's own tools read names in columns of 20 characters,
and pass over jobs whose longer names run into the next column.
"""

MAX_ALLOCATIONS = 999  # of one plan
LONGEST_TOKEN = 19

_LONGEST_STEM = LONGEST_TOKEN - len(f"-{MAX_ALLOCATIONS}")
_MOST_DIGITS = 6  # of a workflow's id, so that enough is left to be unique


def token_stem(workflow_id: int, random_hex: str) -> str:
    """What the tokens of one round begin with; ``random_hex`` has at least 12 digits.

    The id is for people: one that is too long is left out.
    """
    prefix = f"tw{workflow_id}-" if len(str(workflow_id)) <= _MOST_DIGITS else "tw-"
    return prefix + random_hex[: _LONGEST_STEM - len(prefix)]


def allocation_token(stem: str, place: int) -> str:
    """The token of an allocation; ``place`` is from 1 to MAX_ALLOCATIONS."""
    return f"{stem}-{place}"
