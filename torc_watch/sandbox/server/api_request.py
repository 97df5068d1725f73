"""A request as the handlers see it, and their responses and errors.

A handler is a plain function from an ApiRequest to an ApiResponse. It runs inside one transaction:
an ApiError that it raises undoes its changes; a response that it returns, whatever its status,
keeps them.
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
from torc_watch.sandbox.server.server_settings import TorcApi
from torc_watch.sandbox.server.status_rules import STATUSES
from torc_watch.sandbox.server.store import Store

Severity = Literal["debug", "info", "warning", "error"]
Body = TypeVar("Body", bound=BaseModel)
Value = TypeVar("Value")

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)


class ApiError(Exception):
    """A refused request. ``body`` is a JSON value, or the text of a plain-text response."""

    def __init__(self, status: int, body: Mapping[str, Any] | str) -> None:
        super().__init__(body)
        self.status = status
        self.body = body

    @property
    def message(self) -> str:
        return self.body if isinstance(self.body, str) else str(self.body["error"]["message"])


def api_error(status: int, message: str, **details: Any) -> ApiError:
    """An error with Torc's JSON body."""
    return ApiError(status, error_body(message, **details))


def error_body(message: str, **details: Any) -> dict[str, Any]:
    return {"error": {"message": message, **details}}


def internal_error() -> ApiError:
    """Torc's response to everything that it did not expect."""
    return ApiError(500, INTERNAL_ERROR)


INTERNAL_ERROR = "An internal error occurred"


def internal_error_response(api_version: TorcApi) -> "ApiResponse":
    """API 0.12 sends an internal error as plain text, API 1.0 as JSON."""
    if api_version == "0.12":
        return ApiResponse(INTERNAL_ERROR, 500, plain=True)
    return ApiResponse(error_body(INTERNAL_ERROR, error="InternalServerError"), 500)


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """``body`` is a JSON value, or a text if ``plain`` is set."""

    body: Any
    status: int = 200
    plain: bool = False


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """An event for the current subscribers; ``timestamp`` in milliseconds."""

    workflow_id: int
    timestamp: int
    event_type: str
    severity: Severity
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRequest:
    store: Store
    api_version: TorcApi
    user: str
    path: Mapping[str, str]
    query: Sequence[tuple[str, str]]
    content: bytes
    is_write: bool
    events: list[ServerEvent] = field(default_factory=list)

    def path_integer(self, name: str = "id") -> int:
        """An integer in the path."""
        return _parse(parse_integer, self.path[name], f"path parameter {name}")

    def path_status(self) -> JobStatus:
        """The job status in the path."""
        return _parse(parse_job_status, self.path["status"], "path parameter status")

    def parameter(self, name: str, parser: Callable[[str], Value]) -> Value | None:
        """A parameter of the query string; None if it is absent."""
        text = next((value for key, value in self.query if key == name), None)
        if text is None:
            return None
        return _parse(parser, text, f"query parameter {name}")

    def required_parameter(self, name: str, parser: Callable[[str], Value]) -> Value:
        value = self.parameter(name, parser)
        if value is None:
            raise ApiError(400, f"Missing required query parameter {name}")
        return value

    def body(self, model: type[Body]) -> Body:
        if not self.content:
            raise _no_body(self.api_version)
        try:
            return model.model_validate_json(self.content)
        except ValidationError as error:
            raise _invalid_body(self.api_version, error) from error

    def publish(
        self,
        workflow_id: int,
        event_type: str,
        data: Mapping[str, Any],
        severity: Severity = "info",
    ) -> None:
        """Send an event to the subscribers after this request's transaction is committed."""
        self.events.append(ServerEvent(workflow_id, now_ms(), event_type, severity, data))


def parse_integer(text: str) -> int:
    if _INTEGER.fullmatch(text) is None:
        raise ValueError("invalid digit found in string")
    return int(text)


def parse_flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError("provided string was not `true` or `false`")
    return text == "true"


def parse_job_status(text: str) -> JobStatus:
    if text not in STATUSES:
        raise ValueError(f"Value not valid: {text}")
    return JobStatus(text)


def parse_quantity(name: str, text: str, parse: Callable[[str], int]) -> int:
    """The bytes or seconds that a field of the body states."""
    try:
        return parse(text)
    except InvalidQuantity as error:
        message = f"Invalid {name} format '{text}': {error}"
        raise api_error(422, message, field=name, value=text) from error


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def now_text() -> str:
    """The time in RFC 3339 with milliseconds, as Torc writes most of its times."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _no_body(api_version: TorcApi) -> ApiError:
    if api_version == "0.12":
        return ApiError(400, "Missing required body parameter body")
    return ApiError(415, "Expected request with `Content-Type: application/json`")


def _invalid_body(api_version: TorcApi, error: ValidationError) -> ApiError:
    """Names only the first error; each entry of the body may have one."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    reason = f"{place}: {first['msg']}" if place else first["msg"]
    if first["type"] == "refused":  # well formed, but rejected
        return api_error(422, reason)
    if api_version == "0.12":
        text = f"Couldn't parse body parameter body - doesn't match schema: {reason}"
        return ApiError(400, text)
    if first["type"] == "json_invalid":
        return ApiError(400, f"Failed to parse the request body as JSON: {reason}")
    return ApiError(422, f"Failed to deserialize the JSON body into the target type: {reason}")


def _parse(parser: Callable[[str], Value], text: str, place: str) -> Value:
    try:
        return parser(text)
    except ValueError as error:
        raise ApiError(400, f"Couldn't parse {place} - doesn't match schema: {error}") from error
