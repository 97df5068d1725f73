"""How our functions become tools: their schemas, their answers, and their errors."""

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import getdoc
from typing import Annotated, Any

from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.tools import Tool
from mcp.server.mcpserver.utilities.func_metadata import ArgModelBase
from mcp_types import CallToolResult, TextContent, ToolAnnotations
from pydantic import BaseModel, BeforeValidator, ConfigDict, create_model, model_validator

from torc_watch.core.errors import TorcWatchError
from torc_watch.render.terminal_text import printable_lines

READ_ONLY = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)
CHANGES_WORKFLOWS = ToolAnnotations(
    read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=False
)
_MOST_OF_AN_ERROR = 2000  # characters


def _finite(number: float | None) -> float | None:
    return number if number is None or math.isfinite(number) else None


# JSON has no other numbers: an answer with one would be lost as a whole at the client.
Measurement = Annotated[int | float | None, BeforeValidator(_finite)]


class Values(BaseModel):
    """What an answer is made of. Keys that it does not know are left out, as is what is None."""

    model_config = ConfigDict(extra="ignore", frozen=True)


def tool(function: Callable[..., Any], annotations: ToolAnnotations = READ_ONLY) -> Tool:
    """A tool with the name and the docstring of ``function``."""
    made = Tool.from_function(function, description=getdoc(function), annotations=annotations)
    made.fn_metadata.arg_model = _refusing_unknown(made.name, made.fn_metadata.arg_model)
    made.parameters = plain_schema(made.parameters) | {"additionalProperties": False}
    made.fn_metadata.output_schema = plain_schema(made.fn_metadata.output_schema)
    return made


def _refusing_unknown(name: str, arguments: type[ArgModelBase]) -> type[ArgModelBase]:
    """The SDK drops an argument that a tool does not have: "job" for "jobs" would mean all jobs."""
    known = [field.alias or key for key, field in arguments.model_fields.items()]

    def refuse_unknown(given: dict[str, Any]) -> dict[str, Any]:
        if unknown := sorted(given.keys() - known):
            raise ValueError(
                f"{name} has no argument {', '.join(map(ascii, unknown))}. "
                f"Its arguments: {', '.join(known) or 'none'}. Nothing was done."
            )
        return given

    validators: dict[str, Any] = {"known": model_validator(mode="before")(refuse_unknown)}
    return create_model(arguments.__name__, __base__=arguments, __validators__=validators)


def answer(values: Values) -> CallToolResult:
    """The same as an object, and as text for clients that know only that."""
    found = values.model_dump(mode="json", exclude_none=True)
    if "untrusted_fields" in found:
        found["untrusted_fields"] = [
            path for path in found["untrusted_fields"] if path.partition(".")[0] in found
        ]
    text = json.dumps(found, ensure_ascii=False, separators=(",", ":"))
    return CallToolResult(content=[TextContent(type="text", text=text)], structured_content=found)


@contextmanager
def errors_for_assistants() -> Iterator[None]:
    """Errors that are meant for users reach the assistant: the SDK keeps all others back."""
    try:
        yield
    except TorcWatchError as error:
        raise ToolError(printable_lines(str(error))[:_MOST_OF_AN_ERROR]) from error


def plain_schema(schema: Any) -> Any:
    """Without what says nothing: titles made of names, and null where a key may be missing."""
    if isinstance(schema, list):
        return list(map(plain_schema, schema))
    if not isinstance(schema, dict):
        return schema
    found = {
        key: _properties(value) if key in ("properties", "$defs") else plain_schema(value)
        for key, value in schema.items()
        if key != "title" and (key, value) != ("default", None)
    }
    return _without_null(found)


def _properties(schemas: dict[str, Any]) -> dict[str, Any]:
    """One of them may have the name "title"."""
    return {key: plain_schema(value) for key, value in schemas.items()}


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    choices = schema.get("anyOf", ())
    others = [each for each in choices if each != {"type": "null"}]
    if len(others) != 1 or len(choices) == 1:
        return schema
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    return {**others[0], **rest}
