"""The imports between modules, when they are executed, and their cycles."""

import ast
from collections.abc import Collection, Iterable, Iterator, Mapping
from enum import Enum
from typing import TypeAlias

from modules import Function, Module

Graph: TypeAlias = Mapping[str, Collection[str]]


class When(Enum):
    """When an import statement is executed."""

    LOADING = "loading"  # when its module is imported
    TYPE_CHECKING = "type checking"
    CALLING = "calling"  # when the function around it is called


def imports_of(
    node: ast.AST, when: When = When.LOADING
) -> Iterator[tuple[ast.Import | ast.ImportFrom, When]]:
    """The import statements in a tree, each with its time."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, when
        elif isinstance(child, Function):
            yield from imports_of(child, When.CALLING)
        elif isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            yield from imports_of(child, When.TYPE_CHECKING)
        else:
            yield from imports_of(child, when)


def import_graph(modules: Iterable[Module], times: Collection[When]) -> Graph:
    """For each module, the others of these modules that it imports at one of the ``times``."""
    trees = {module.name: module.tree for module in modules}
    return {
        name: {
            target
            for statement, when in imports_of(tree)
            if when in times
            for target in _targets(statement, trees)
        }
        for name, tree in trees.items()
    }


def _targets(statement: ast.Import | ast.ImportFrom, known: Collection[str]) -> Iterator[str]:
    names = [alias.name for alias in statement.names]
    if isinstance(statement, ast.ImportFrom):
        package = statement.module or ""
        inside = [f"{package}.{name}" for name in names]
        names = [name if name in known else package for name in inside]
    return (name for name in names if name in known)


def cycles(graph: Graph) -> list[list[str]]:
    """Groups of modules that all import each other, directly or indirectly."""
    reached = {name: _reached_from(name, graph) for name in graph}
    groups = {
        tuple(sorted(other for other in reached[name] if name in reached[other]))
        for name in graph
        if name in reached[name]
    }
    return sorted(map(list, groups))


def _reached_from(start: str, graph: Graph) -> set[str]:
    found: set[str] = set()
    waiting = list(graph[start])
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += graph[name]
    return found
