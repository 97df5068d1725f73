"""One request as the handlers see it, and what they may answer.

A handler is a plain function from a Call to an Answer. It runs inside one transaction: a Failure
that it raises undoes what it changed; an Answer that it returns, whatever its status, keeps it.
"""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from torc_watch.core.errors import InvalidQuantity
from torc_watch.core.model import JobStatus
from torc_watch.sandbox.server.settings import ApiVersionName
from torc_watch.sandbox.server.store import Store
from torc_watch.sandbox.server.transitions import STATUSES

Severity = Literal["debug", "info", "warning", "error"]
Body = TypeVar("Body", bound=BaseModel)
Value = TypeVar("Value")

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)


class Failure(Exception):
    """A request refused. ``body`` is a JSON value, or a text for an answer in plain text."""

    def __init__(self, status: int, body: Mapping[str, Any] | str) -> None:
        super().__init__(body)
        self.status = status
        self.body = body

    @property
    def message(self) -> str:
        return self.body if isinstance(self.body, str) else str(self.body["error"]["message"])


def refused(status: int, message: str, **details: Any) -> Failure:
    """An error with Torc's JSON body."""
    return Failure(status, error_body(message, **details))


def error_body(message: str, **details: Any) -> dict[str, Any]:
    return {"error": {"message": message, **details}}


def internal_error() -> Failure:
    """What Torc says of everything that it did not expect."""
    return Failure(500, INTERNAL_ERROR)


INTERNAL_ERROR = "An internal error occurred"


def internal_answer(api_version: ApiVersionName) -> "Answer":
    """How an internal error arrives: as plain text of 0.12, as JSON of what came after."""
    if api_version == "0.12":
        return Answer(INTERNAL_ERROR, 500, plain=True)
    return Answer(error_body(INTERNAL_ERROR, error="InternalServerError"), 500)


@dataclass(frozen=True, slots=True)
class Answer:
    """``body`` is a JSON value, or with ``plain`` a text."""

    body: Any
    status: int = 200
    plain: bool = False


@dataclass(frozen=True, slots=True)
class Announcement:
    """An event for whoever listens at this moment; ``timestamp`` in milliseconds."""

    workflow_id: int
    timestamp: int
    event_type: str
    severity: Severity
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    store: Store
    api_version: ApiVersionName
    user: str
    path: Mapping[str, str]
    query: Sequence[tuple[str, str]]
    content: bytes
    changes: bool
    announcements: list[Announcement] = field(default_factory=list)

    def number(self, name: str = "id") -> int:
        """An integer in the path."""
        return _parsed(integer, self.path[name], f"path parameter {name}")

    def status(self) -> JobStatus:
        """The job status in the path."""
        return _parsed(job_status, self.path["status"], "path parameter status")

    def asked(self, name: str, parser: Callable[[str], Value]) -> Value | None:
        """A parameter of the query string, or None."""
        text = next((value for key, value in self.query if key == name), None)
        if text is None:
            return None
        return _parsed(parser, text, f"query parameter {name}")

    def required(self, name: str, parser: Callable[[str], Value]) -> Value:
        value = self.asked(name, parser)
        if value is None:
            raise Failure(400, f"Missing required query parameter {name}")
        return value

    def body(self, model: type[Body]) -> Body:
        if not self.content:
            raise _no_body(self.api_version)
        try:
            return model.model_validate_json(self.content)
        except ValidationError as error:
            raise _unreadable(self.api_version, error) from error

    def announce(
        self,
        workflow_id: int,
        event_type: str,
        data: Mapping[str, Any],
        severity: Severity = "info",
    ) -> None:
        """Tell the listeners, once this call's transaction is committed."""
        self.announcements.append(Announcement(workflow_id, now_ms(), event_type, severity, data))


def integer(text: str) -> int:
    if _INTEGER.fullmatch(text) is None:
        raise ValueError("invalid digit found in string")
    return int(text)


def flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError("provided string was not `true` or `false`")
    return text == "true"


def job_status(text: str) -> JobStatus:
    if text not in STATUSES:
        raise ValueError(f"Value not valid: {text}")
    return JobStatus(text)


def quantity(name: str, text: str, parse: Callable[[str], int]) -> int:
    """Bytes or seconds of a body's field."""
    try:
        return parse(text)
    except InvalidQuantity as error:
        message = f"Invalid {name} format '{text}': {error}"
        raise refused(422, message, field=name, value=text) from error


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def now_text() -> str:
    """The time in RFC 3339 with milliseconds, as Torc writes most of its times."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _no_body(api_version: ApiVersionName) -> Failure:
    if api_version == "0.12":
        return Failure(400, "Missing required body parameter body")
    return Failure(415, "Expected request with `Content-Type: application/json`")


def _unreadable(api_version: ApiVersionName, error: ValidationError) -> Failure:
    """Names the first thing that is wrong; there may be as many as the body has entries."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    reason = f"{place}: {first['msg']}" if place else first["msg"]
    if first["type"] == "refused":  # well formed, and not wanted
        return refused(422, reason)
    if api_version == "0.12":
        text = f"Couldn't parse body parameter body - doesn't match schema: {reason}"
        return Failure(400, text)
    if first["type"] == "json_invalid":
        return Failure(400, f"Failed to parse the request body as JSON: {reason}")
    return Failure(422, f"Failed to deserialize the JSON body into the target type: {reason}")


def _parsed(parser: Callable[[str], Value], text: str, place: str) -> Value:
    try:
        return parser(text)
    except ValueError as error:
        raise Failure(400, f"Couldn't parse {place} - doesn't match schema: {error}") from error
