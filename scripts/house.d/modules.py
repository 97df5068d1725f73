"""The modules of a folder, parsed."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """``name`` is dotted, from the root folder on; a package is named after its folder."""

    name: str
    path: Path
    text: str
    tree: ast.Module

    @property
    def lines(self) -> int:
        return len(self.text.splitlines())

    @property
    def is_special(self) -> bool:
        """Whether Python prescribes the name: ``__init__``, ``__main__``."""
        return self.path.stem.startswith("__")

    def functions(self) -> Iterator[Function]:
        """All functions, including methods and nested functions."""
        return (node for node in ast.walk(self.tree) if isinstance(node, Function))


def read_modules(root: Path, folder: str) -> list[Module]:
    return [_read(path, root) for path in sorted((root / folder).rglob("*.py"))]


def _read(path: Path, root: Path) -> Module:
    parts = path.relative_to(root).with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    text = path.read_text(encoding="utf-8")
    return Module(name=name, path=path.relative_to(root), text=text, tree=ast.parse(text))


def length(function: Function) -> int:
    """Lines from ``def`` to the end, with docstring and comments, without decorators."""
    return (function.end_lineno or function.lineno) - function.lineno + 1
