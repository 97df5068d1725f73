"""What a field of a body may hold, and how it is kept.

Where Torc takes a value for well formed and refuses it all the same, the error's type is "refused".
"""

import json
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from torc_watch.core.model import JobStatus
from torc_watch.sandbox.server.transitions import STATUSES


def _known(status: JobStatus) -> JobStatus:
    if status not in STATUSES:
        raise ValueError(f"unknown status {status}")
    return status


def _standard(value: Any) -> Any:
    try:
        json.dumps(value, allow_nan=False)
    except ValueError as error:
        raise PydanticCustomError("json_invalid", "no JSON value") from error
    return value


def _natural(priority: int) -> int:
    if priority < 0:
        raise PydanticCustomError("refused", "a priority is 0 or more")
    return priority


Status = Annotated[JobStatus, AfterValidator(_known)]
# Any JSON value; NaN and infinity, which the parser lets pass, are none.
Json = Annotated[Any, AfterValidator(_standard)]
# The first wrong entry is enough to refuse a list: there may be millions.
Entry = TypeVar("Entry")
Batch = Annotated[list[Entry], Field(fail_fast=True)]
Ids = Batch[int] | None
Priority = Annotated[int, AfterValidator(_natural)] | None
