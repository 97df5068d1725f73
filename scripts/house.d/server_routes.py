"""Routes that the embedded server serves, and those that the product, its runner and demo call.

A route is a method and a path with ``{}`` for each parameter. The called routes are read from the
source of the client and of the runner, which send all requests: a path is a string that begins with
a slash, and the name of the function that receives it determines the method.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias, get_args

from modules import Function, Module

from torc_watch.sandbox.server.routes import routes
from torc_watch.sandbox.server.server_settings import TorcApi

Route: TypeAlias = tuple[str, str]

_PACKAGES = ("torc_watch.torc.", "torc_watch.sandbox.runner.")
_METHODS = {
    "get": "GET",
    "fetch": "GET",
    "list_all": "GET",
    "count": "GET",
    "stream": "GET",
    "post": "POST",
    "_create": "POST",
    "_create_many": "POST",
    "put": "PUT",
    "delete": "DELETE",
}
_EVENTS = ("GET", "/workflows/{}/events/stream")  # it is not in the table of routes


def served() -> dict[str, set[Route]]:
    """The routes of each version of the API."""
    return {
        version: {
            (method, re.sub(r"\{\w+\}", "{}", path))
            for path, methods in routes(version).items()
            for method in methods
        }
        | {_EVENTS}
        for version in get_args(TorcApi)
    }


def used(modules: Iterable[Module]) -> set[Route]:
    return {
        route
        for module in modules
        if module.name.startswith(_PACKAGES)
        for function in module.functions()
        for route in _used_by(function)
    }


def _used_by(function: Function) -> Iterator[Route]:
    paths: dict[str, str] = {}
    for statement in ast.walk(function):
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if path := _path(value, {}):
                paths[name] = path
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and (method := _method(node)):
            yield from (
                (method, path) for argument in node.args if (path := _path(argument, paths))
            )


def _method(call: ast.Call) -> str | None:
    """The method of a call: ``transport.get(path)``, ``partial(count, transport, path)``, ..."""
    names = (_last_name(argument) for argument in (call.func, *call.args))
    return next((_METHODS[name] for name in names if name in _METHODS), None)


def _last_name(node: ast.expr) -> str:
    match node:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
    return ""


def _path(node: ast.expr, paths: Mapping[str, str]) -> str | None:
    """The path that an expression stands for; ``paths`` are those of the function's variables."""
    match node:
        case ast.Constant(value=str(text)):
            path = text
        case ast.Name(id=name):
            path = paths.get(name, "")
        case ast.JoinedStr(values=values):
            path = "".join(_piece(value, paths) for value in values)
        case _:
            path = ""
    return path if path.startswith("/") else None


def _piece(node: ast.expr, paths: Mapping[str, str]) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.FormattedValue(value=ast.Name(id=name)) if name in paths:
            return paths[name]
    return "{}"
