"""Resolves a job's references to other jobs, files, user data and resource requirements."""

import json
import re
from collections.abc import Mapping

from torc_watch.core.errors import InvalidSpec
from torc_watch.spec.entries import Section, SpecEntry, join_location
from torc_watch.spec.patterns import compile_pattern
from torc_watch.spec.problems import Problems, quoted

_VARIABLE = re.compile(r"\$\{(files|user_data)\.(input|output)\.([^}]+)\}")


class NameIndex:
    """The entries of one section by name, with a cache of pattern matches."""

    def __init__(self, section: Section, item_type: str, problems: Problems) -> None:
        self._entries = dict(section.named())
        self._is_complete = section.is_complete
        self._item_type = item_type
        self._problems = problems
        self._found: dict[str, tuple[str, ...]] = {}

    def resolve(self, entry: SpecEntry, key: str, pattern_key: str) -> tuple[str, ...]:
        """The names under ``key`` and those that match the patterns, without duplicates."""
        exact = tuple(name for name in entry.values.get(key, ()) if self.find(entry, key, name))
        found = [self._matches(entry, pattern_key, p) for p in entry.values.get(pattern_key, ())]
        if not exact and len(found) == 1:
            return found[0]  # one tuple for all jobs of a template, however many
        return tuple(dict.fromkeys(name for names in (exact, *found) for name in names))

    def find(self, entry: SpecEntry, key: str, name: str) -> SpecEntry | None:
        """The entry with this name; if there is none, adds a problem of ``entry`` at ``key``."""
        found = self._entries.get(name)
        if found is None and self._is_complete:
            self._problems.add_unknown(
                join_location(entry.where, key), name, self._item_type, self._entries
            )
        return found

    def _matches(self, entry: SpecEntry, key: str, pattern: str) -> tuple[str, ...]:
        if pattern not in self._found:
            self._found[pattern] = self._search(join_location(entry.where, key), pattern)
        return self._found[pattern]

    def _search(self, where: str, pattern: str) -> tuple[str, ...]:
        try:
            matches = compile_pattern(pattern, self._entries)
        except InvalidSpec as error:
            self._problems.add(
                where, f"{quoted(pattern)} is not a regular expression of Torc: {error}"
            )
            return ()
        found = tuple(name for name in self._entries if matches(name))
        if not found and self._is_complete:
            self._problems.add(where, f"no {self._item_type} matches {quoted(pattern)}")
        return found


class VariableSubstitution:
    """Replaces variables such as ``${files.input.NAME}`` in one job; ``used`` has their names."""

    def __init__(
        self, entry: SpecEntry, names: Mapping[str, NameIndex], problems: Problems
    ) -> None:
        self.used: dict[tuple[str, str], tuple[str, ...]] = {}
        self._entry = entry
        self._names = names
        self._problems = problems

    def fill(self, key: str) -> str | None:
        """The job's text at ``key`` with the paths of files and the JSON of user data."""
        text: str | None = self._entry.values.get(key)
        if text is None or "${" not in text:
            return text
        return _VARIABLE.sub(lambda variable: self._value(key, *variable.groups()), text)

    def _value(self, key: str, section: str, direction: str, name: str) -> str:
        target = self._names[section].find(self._entry, key, name)
        if target is None:
            return ""
        self.used[section, direction] = (*self.used.get((section, direction), ()), name)
        if section == "files":
            path: str = target.values.get("path", "")
            return path
        if "data" not in target.values:
            where = join_location(self._entry.where, key)
            self._problems.add(where, f"user data {quoted(name)} has no data to insert")
        # As Torc writes it, so that commands are the same.
        return json.dumps(
            target.values.get("data"), ensure_ascii=False, separators=(",", ":"), sort_keys=True
        )
