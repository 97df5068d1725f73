"""Names with more than one meaning."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from modules import Module

_CLASS_CASE = re.compile(r"[A-Z][A-Za-z0-9]*[a-z][A-Za-z0-9]*")


def repeated_stems(modules: Iterable[Module]) -> dict[str, list[str]]:
    """File names of several modules, with the modules; without names that Python prescribes."""
    return _repeated((module.path.stem, module.name) for module in modules if not module.is_special)


def repeated_types(modules: Iterable[Module]) -> dict[str, list[str]]:
    """Public classes and type aliases that several modules define, with the modules."""
    return _repeated((name, module.name) for module in modules for name in public_types(module))


def public_types(module: Module) -> Iterator[str]:
    """Names of the classes and type aliases at the top of a module, with type variables."""
    for statement in module.tree.body:
        match statement:
            case ast.ClassDef(name=name):
                pass
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                pass
            case _:
                continue
        if _CLASS_CASE.fullmatch(name):
            yield name


def _repeated(places: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    by_name: Mapping[str, list[str]] = defaultdict(list)
    for name, place in places:
        by_name[name].append(place)
    return {name: places for name, places in sorted(by_name.items()) if len(places) > 1}
