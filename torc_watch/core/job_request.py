"""What a job requested, and whether that can be raised."""

from dataclasses import dataclass

from torc_watch.core.model import Requirements

# The row that the server makes for jobs without resource requirements. Its numbers, 1 MiB and one
# minute, are no estimate: exceeding them proves nothing. A row of the job's own with somewhat more
# would be enforced, which this one is not.
DEFAULT_REQUIREMENTS = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the job requested: bytes and seconds."""

    memory: int
    runtime: int


def request_of(row: Requirements | None) -> Request | None:
    if row is None or row.name == DEFAULT_REQUIREMENTS:
        return None
    if row.memory is None or row.runtime is None:
        return None
    return Request(memory=row.memory, runtime=row.runtime)


def objection_to_raise(row: Requirements | None) -> str:
    """Why no request can be raised, "" if it can: the row that is raised has all of the old one."""
    if request_of(row) is not None:
        return ""
    if row is None or row.name == DEFAULT_REQUIREMENTS:
        return "with no request to raise"
    lacks = {"memory": row.memory, "run time": row.runtime}
    names = " and ".join(name for name, value in lacks.items() if value is None)
    return f"but its request cannot be raised: its {names} cannot be read"


def runtime_limit(requirements: Requirements | None) -> int | None:
    """How long (s) the job asked to run; None where that cannot be known or raised."""
    request = request_of(requirements)
    return request.runtime if request else None
