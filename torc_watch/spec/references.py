"""What a job refers to by name: other jobs, files, user data, resource requirements."""

import json
import re
from collections.abc import Mapping

from torc_watch.spec.entries import Section, SpecEntry, at
from torc_watch.spec.problems import Problems, shown

_VARIABLE = re.compile(r"\$\{(files|user_data)\.(input|output)\.([^}]+)\}")


class Names:
    """The named entries of one section, and which of them patterns have found."""

    def __init__(self, section: Section, thing: str, problems: Problems) -> None:
        self._entries = dict(section.named())
        self._is_complete = section.is_complete
        self._thing = thing
        self._problems = problems
        self._found: dict[str, tuple[str, ...]] = {}

    def resolve(self, entry: SpecEntry, key: str, pattern_key: str) -> tuple[str, ...]:
        """The names under ``key`` and those that the patterns find, each once."""
        exact = tuple(name for name in entry.values.get(key, ()) if self.find(entry, key, name))
        found = [self._matches(entry, pattern_key, p) for p in entry.values.get(pattern_key, ())]
        if not exact and len(found) == 1:
            return found[0]  # one tuple for all jobs of a template, however many
        return tuple(dict.fromkeys(name for names in (exact, *found) for name in names))

    def find(self, entry: SpecEntry, key: str, name: str) -> SpecEntry | None:
        """The entry of that name. That there is none is a problem of ``entry`` at ``key``."""
        found = self._entries.get(name)
        if found is None and self._is_complete:
            self._problems.add_unknown(at(entry.where, key), name, self._thing, self._entries)
        return found

    def _matches(self, entry: SpecEntry, key: str, pattern: str) -> tuple[str, ...]:
        if pattern not in self._found:
            self._found[pattern] = self._search(at(entry.where, key), pattern)
        return self._found[pattern]

    def _search(self, where: str, pattern: str) -> tuple[str, ...]:
        try:
            search = re.compile(pattern).search
        except (re.error, OverflowError, RecursionError) as error:
            self._problems.add(where, f"{shown(pattern)} is not a regular expression: {error}")
            return ()
        found = tuple(name for name in self._entries if search(name))
        if not found and self._is_complete:
            self._problems.add(where, f"no {self._thing} matches {shown(pattern)}")
        return found


class Variables:
    """Fills ``${files.input.NAME}`` and its like into one job's texts, noting what it used."""

    def __init__(self, entry: SpecEntry, names: Mapping[str, Names], problems: Problems) -> None:
        self.used: dict[tuple[str, str], tuple[str, ...]] = {}
        self._entry = entry
        self._names = names
        self._problems = problems

    def fill(self, key: str) -> str | None:
        """The job's text at ``key`` with files' paths and user data's JSON in their places."""
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
            where = at(self._entry.where, key)
            self._problems.add(where, f"user data {shown(name)} has no data to put there")
        return json.dumps(target.values.get("data"), ensure_ascii=False)
