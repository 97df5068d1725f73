"""Takes secrets out of text that is to be handed on: what is left says that something was there.

A secret is known by its name (DB_PASSWORD=...), by its shape (AKIA...), or because it is one of
those that are given. Paths, names of nodes and numbers stay.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import Any
from urllib.parse import quote

from torc_watch.core import secret_patterns as patterns
from torc_watch.core.secret_names import kind_of_name
from torc_watch.core.secret_search import ENVIRONMENT, Secret, outside_marks, secrets_in
from torc_watch.core.secret_value import is_no_value, is_number, is_path, is_plain_word

_MOST_PASSES = 8  # what is redacted may show more; two are enough for all but text made for it
_SHORTEST_LEARNED = 8
_LONGEST_LEARNED = 200
_MOST_LEARNED = 2000  # spellings
_LONGEST_KEPT = 100
_MOST_KEPT = 10_000


class Redactor:
    """For the texts of one pack: what is a secret in one of them is one in the others.

    ``known`` are secrets that are known beforehand. ``counts`` has what was redacted, by kind.
    """

    def __init__(self, known: Iterable[str] = ()) -> None:
        self.counts: Counter[str] = Counter()
        self._learned: dict[str, str] = {}
        self._plain: set[str] = set()  # short texts that have no secret, and come again
        for value in known:
            self._learn(value, "password")

    def text(self, text: str, start: int = 0, end: int | None = None) -> str:
        """``text`` between ``start`` and ``end``, without secrets.

        What is around that tells secrets of which only a part is in it.
        """
        end = len(text) if end is None else end
        if text in self._plain:
            return text[start:end]
        result = self._redacted(text, secrets_in(text), start, end)
        for _ in range(_MOST_PASSES):
            found = [*secrets_in(result), *self._learned_in(result)]
            if not found:
                break
            result = self._redacted(result, found, 0, len(result))
        if result == text and len(text) <= _LONGEST_KEPT and len(self._plain) < _MOST_KEPT:
            self._plain.add(text)
        return result

    def again(self, text: str) -> str:
        """A text that was redacted, without what was learned from those after it."""
        return self._redacted(text, self._learned_in(text), 0, len(text))

    def values(self, value: Any, name: str = "") -> Any:
        """JSON of which the texts are redacted, by their keys as well."""
        match value:
            case dict() if name in ("env", "environment"):
                return {
                    self.text(key): self._mark(each, ENVIRONMENT) for key, each in value.items()
                }
            case dict():
                return {self.text(key): self.values(each, key) for key, each in value.items()}
            case list() | tuple():
                return [self.values(each, name) for each in value]
            case str() if value and (kind := kind_of_name(name)) and not is_no_value(value):
                return self._mark(value, kind)
            case str():
                return self.text(value)
        return value

    def _mark(self, value: Any, kind: str) -> Any:
        if patterns.MARK.fullmatch(str(value)):
            return value
        self.counts[kind] += 1
        self._learn(str(value), kind)
        return _mark(kind)

    def _redacted(self, text: str, found: Iterable[Secret], start: int, end: int) -> str:
        pieces, position = [], start
        for secret in _apart(found):
            if secret.end <= start or secret.start >= end:
                continue
            if secret.is_certain:
                self._learn(text[secret.start : secret.end], secret.kind)
            self.counts[secret.kind] += 1
            pieces += [text[position : max(position, secret.start)], _mark(secret.kind)]
            position = min(secret.end, end)
        return "".join([*pieces, text[position:end]])

    def _learn(self, value: str, kind: str) -> None:
        is_full = len(self._learned) >= _MOST_LEARNED
        if is_full or value in self._learned or not _is_distinct(value):
            return
        self._plain.clear()
        self._learned.update(dict.fromkeys(_spellings(value), kind))

    def _learned_in(self, text: str) -> list[Secret]:
        """A search for each, in C, is quicker than a pattern of all, which may become too large."""
        found = []
        for value, kind in self._learned.items():
            start = text.find(value)
            while start >= 0:
                found.append(Secret(start, start + len(value), kind))
                start = text.find(value, start + len(value))
        return list(outside_marks(text, found)) if found else []


def _mark(kind: str) -> str:
    return f"[redacted: {kind}]"


def _apart(found: Iterable[Secret]) -> Iterator[Secret]:
    """Those that overlap as one, of the kind of the first."""
    last: Secret | None = None
    for each in sorted(found):
        if last is None or each.start >= last.end:
            if last is not None:
                yield last
            last = each
        else:
            certain = last.is_certain and each.end <= last.end
            last = Secret(last.start, max(last.end, each.end), last.kind, certain)
    if last is not None:
        yield last


def _is_distinct(value: str) -> bool:
    """Whether it is a secret wherever it stands: long enough, and no word, number or path."""
    return (
        _SHORTEST_LEARNED <= len(value) <= _LONGEST_LEARNED
        and not patterns.MARK.search(value)
        and not is_plain_word(value)
        and not is_number(value)
        and not is_path(value)
        and not is_no_value(value)
    )


def _spellings(value: str) -> tuple[str, ...]:
    """As it is, in a URL, in HTML and in JSON."""
    return value, quote(value, safe=""), escape(value), json.dumps(value)[1:-1]


def known_secrets(environment: Mapping[str, str]) -> list[str]:
    """The values of variables that are named as secrets."""
    return [value for name, value in environment.items() if kind_of_name(name)]
