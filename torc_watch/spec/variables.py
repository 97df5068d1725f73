"""Replaces the variables of a specification (``variables``) in all of its texts.

``{name}`` is replaced, ``${name}`` is the shell's. A name in braces must be a variable or a
parameter, in a specification that has variables.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torc_watch.core.errors import InvalidSpec
from torc_watch.spec.entries import join_location
from torc_watch.spec.keys import ENVIRONMENT
from torc_watch.spec.parameter_sources import Tables
from torc_watch.spec.parameter_table import columns
from torc_watch.spec.problems import Problems, quoted

_TOKEN = re.compile(r"(?<!\$)\{([A-Za-z_][A-Za-z0-9_]*)(:[^{}]*)?\}")
_BRACES = re.compile(r"(?<!\$)\{([^}:]*)(:[^}]*)?\}")
_PARAMETERIZED = ("jobs", "files", "user_data")
_NAMES = frozenset({"variables", "use_parameters"})  # what is in them is no text to fill in


def fill_variables(document: object, tables: Tables, problems: Problems) -> object:
    """The document with its variables filled in; unchanged where it has none that are valid."""
    if not isinstance(document, Mapping) or not document.get("variables"):
        return document
    variables = document["variables"]
    if not ENVIRONMENT.accepts(variables):  # said where all keys are checked
        return document
    filling = _Filling(variables, frozenset(_parameters(document, variables, tables)), problems)
    filling.check()
    return filling.fill(document, "")


def fill(text: str, variables: Mapping[str, str]) -> str:
    return _BRACES.sub(lambda found: variables.get(found[1], found[0]), text)


class _Filling:
    def __init__(
        self, variables: Mapping[str, str], parameters: frozenset[str], problems: Problems
    ) -> None:
        self._variables = variables
        self._parameters = parameters
        self._problems = problems

    def check(self) -> None:
        for name, text in self._variables.items():
            where = join_location("variables", name)
            if name in self._parameters:
                self._problems.add(where, "a parameter has the same name")
            if found := _TOKEN.search(text):
                self._problems.add(where, f"{found[0]} in a variable is not filled in")

    def fill(self, value: Any, where: str) -> Any:
        if isinstance(value, str):
            return self._text(value, where) if "{" in value else value
        if isinstance(value, list):
            return [self.fill(item, f"{where}[{place}]") for place, item in enumerate(value)]
        if isinstance(value, Mapping):
            return {
                key: item if key in _NAMES else self.fill(item, join_location(where, str(key)))
                for key, item in value.items()
            }
        return value

    def _text(self, text: str, where: str) -> str:
        for found in _TOKEN.finditer(text):
            if found[1] not in self._variables and found[1] not in self._parameters:
                self._problems.add(where, f"there is no variable or parameter {quoted(found[1])}")
        return fill(text, self._variables)


def _parameters(
    document: Mapping[str, Any], variables: Mapping[str, str], tables: Tables
) -> Iterator[str]:
    for place in _places(document):
        if isinstance(parameters := place.get("parameters"), Mapping):
            yield from map(str, parameters)
        if isinstance(table := place.get("parameters_file"), str):
            yield from _columns(fill(table, variables), tables)


def _places(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield document
    for section in _PARAMETERIZED:
        entries = document.get(section)
        for entry in entries if isinstance(entries, Sequence) else ():
            if isinstance(entry, Mapping):
                yield entry


def _columns(table: str, tables: Tables) -> Sequence[str]:
    try:
        return columns(tables.read(table))
    except InvalidSpec:  # said where the table is used
        return ()
