"""The types of the fields in bodies of requests.

The error type "refused" marks a value that is well formed, but that Torc rejects.
"""

import json
import re
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from torc_watch.core.model import JobStatus
from torc_watch.sandbox.server.status_rules import STATUSES


def _require_known_status(status: JobStatus) -> JobStatus:
    if status not in STATUSES:
        raise ValueError(f"unknown status {status}")
    return status


def _require_standard_json(value: Any) -> Any:
    try:
        json.dumps(value, allow_nan=False)
    except ValueError as error:
        raise PydanticCustomError("json_invalid", "no JSON value") from error
    return value


def _require_not_negative(priority: int) -> int:
    if priority < 0:
        raise PydanticCustomError("refused", "a priority is 0 or more")
    return priority


def _require_variable_names(environment: dict[str, str] | None) -> dict[str, str] | None:
    for name in environment or ():
        if _VARIABLE_NAME.fullmatch(name) is None:
            raise PydanticCustomError("refused", "an invalid name of an environment variable")
    return environment or None


_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

Status = Annotated[JobStatus, AfterValidator(_require_known_status)]
# Any JSON value; the parser accepts NaN and infinity, but JSON does not have them.
JsonValue = Annotated[Any, AfterValidator(_require_standard_json)]
# The first invalid entry is enough to refuse a list, which may have millions.
Entry = TypeVar("Entry")
Batch = Annotated[list[Entry], Field(fail_fast=True)]
Ids = Batch[int] | None
Priority = Annotated[int, AfterValidator(_require_not_negative)] | None
Environment = Annotated[dict[str, str] | None, AfterValidator(_require_variable_names)]
