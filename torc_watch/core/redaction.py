"""Takes secrets out of text that is to be handed on: what is left says that something was there.

A secret is known by its name (DB_PASSWORD=...), by its shape (AKIA...), or because it is one of
those that are given. Paths, names of nodes and numbers stay.
"""

import json
import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any
from urllib.parse import quote

from torc_watch.core import secret_patterns as patterns
from torc_watch.core.secret_names import kind_of_name

ENVIRONMENT = "environment value"
_MOST_PASSES = 8  # what is redacted may show more; two are enough for all but text made for it
_LONGEST_QUOTED = 4096  # characters
_LONGEST_KEY = 16_384
_SHORTEST_TOKEN = 8
_SHORTEST_LEARNED = 8
_LONGEST_LEARNED = 200
_MOST_LEARNED = 2000  # spellings
_LONGEST_KEPT = 100
_MOST_KEPT = 10_000
_MOST_VARIABLES = 1000  # of one `export`
_QUOTED = re.compile(r"\\{0,3}[\"'`]")
_WORD = re.compile(r"[^\s\"'`]*")
_NEXT_ITEM = re.compile(r"[,;&](?=[\w.-]{1,60}[=:])")
_CLOSING = ",;:)]}>&|\\"
# What a value says that is none: a variable, a placeholder, a number of seconds.
_REFERENCE = re.compile(
    r"\$[A-Z_][A-Z0-9_]*|\$\{[^}]*\}|\$\([^)]*\)?|%\w|%\(\w+\)s|\{\w*\}|<[\w -]+>"
    r"|\*+|x{3,}|\.{3}|-+"
)
_NO_VALUES = frozenset(
    [
        "none",
        "null",
        "nil",
        "true",
        "false",
        "yes",
        "no",
        "undefined",
        "empty",
        "unset",
        "str",
        "string",
    ]
)
_NUMBER = re.compile(r"-?[\d.,_]{1,12}(?:[a-zA-Z%]{1,3})?")
_ASSIGNED = re.compile(r"[A-Za-z_]\w{0,60}=")
_PLAIN_WORD = re.compile(r"[A-Za-z]?[a-z]{0,30}")
_AFTER_OF_PROSE = re.compile(r"[ \t]+[A-Za-z(]")
_PATHS = re.compile(r"(?:~|\.{1,2})?/.*|[\w.-]+(?:/[\w.-]+)+/?")
# Variables of which the value is evidence.
_EVIDENT = re.compile(
    r"(?:SLURM|OMP|CUDA|ROCR|HIP|NVIDIA|MKL|OPENBLAS|NUMEXPR|MPI|OMPI|UCX|I_MPI|PMI|NCCL|FI)_.*"
    r"|(?:LD_LIBRARY_|PYTHON|MODULE)?PATH|HOME|PWD|USER|TMPDIR|LANG|LC_.*|SHELL|HOSTNAME|TZ"
)


@dataclass(frozen=True, slots=True, order=True)
class Secret:
    """Where it is in a text. ``is_certain`` says that it is one wherever else it stands."""

    start: int
    end: int
    kind: str
    is_certain: bool = False


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
            case str() if value and (kind := kind_of_name(name)) and not _is_no_value(value):
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
        return list(_outside_marks(text, found)) if found else []


def secrets_in(text: str) -> list[Secret]:
    """Those that are not redacted yet, by where they begin; they may overlap."""
    if not patterns.ANY.search(text):
        return []
    found = (
        *_private_keys(text),
        *_of_shape(text),
        *_after_prefix(text),
        *_named(text),
        *_of_options(text),
        *_exported(text),
    )
    return sorted(_outside_marks(text, found))


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


def _outside_marks(text: str, found: Iterable[Secret]) -> Iterator[Secret]:
    """What of them is no mark of an earlier pass, and has something to hide."""
    marks = [match.span() for match in patterns.MARK.finditer(text)]
    starts = [start for start, _ in marks]
    for secret in found:
        position = secret.start
        index = max(0, bisect_right(starts, secret.start) - 1)
        for start, end in marks[index:]:
            if start >= secret.end:
                break
            if end > position:
                yield from _hiding(text, position, min(start, secret.end), secret)
                position = max(position, end)
        yield from _hiding(text, position, secret.end, secret)


def _hiding(text: str, start: int, end: int, secret: Secret) -> Iterator[Secret]:
    if start < end and any(map(str.isalnum, text[start:end])):
        is_whole = (start, end) == (secret.start, secret.end)
        yield Secret(start, end, secret.kind, secret.is_certain and is_whole)


def _private_keys(text: str) -> Iterator[Secret]:
    """Also those of which the beginning or the end is not in the text."""
    begins = [match.span() for match in patterns.KEY_BEGIN.finditer(text)]
    ends = [match.start() for match in patterns.KEY_END.finditer(text)]
    position = 0
    for start, begin in begins:
        if start < position:
            continue
        index = bisect_left(ends, begin)
        if index < len(ends) and ends[index] - begin <= _LONGEST_KEY:
            position = ends[index]
        else:
            window = text[begin : begin + _LONGEST_KEY]
            position = begin + patterns.KEY_LINES_AFTER.match(window).end()
        yield _without_margins(text, begin, position)
    if ends and (not begins or begins[0][0] > ends[0]):
        yield from _key_before(text, ends[0])


def _key_before(text: str, end: int) -> Iterator[Secret]:
    start = end
    for line in reversed(text[max(0, end - _LONGEST_KEY) : end].splitlines(keepends=True)):
        if line.strip() and not patterns.KEY_LINE.fullmatch(line.strip()):
            break
        start -= len(line)
    yield _without_margins(text, start, end)


def _without_margins(text: str, start: int, end: int) -> Secret:
    """The lines of a private key stay lines."""
    value = text[start:end]
    return Secret(
        start + len(value) - len(value.lstrip()), start + len(value.rstrip()), "private key"
    )


def _of_shape(text: str) -> Iterator[Secret]:
    for kind, pattern in (*patterns.SHAPES, *patterns.LINES):
        for match in pattern.finditer(text):
            value = match[1]
            if not _is_no_value(value):
                yield Secret(match.start(1), match.end(1), kind, kind != "cookie")


def _after_prefix(text: str) -> Iterator[Secret]:
    for kind, pattern in patterns.PREFIXES:
        for match in pattern.finditer(text):
            start, end = _value_at(text, match.end())
            value = text[start:end]
            is_short = kind == "token" and len(value) < _SHORTEST_TOKEN
            if not is_short and not _is_no_value(value) and not _is_prose(value):
                yield Secret(start, end, kind, is_certain=True)


def _is_prose(value: str) -> bool:
    """Such as in: bearer authentication failed."""
    return len(value) < 20 and _PLAIN_WORD.fullmatch(value) is not None


def _named(text: str) -> Iterator[Secret]:
    for match in patterns.NAMED.finditer(text):
        kind = kind_of_name(match[1])
        if kind is None:
            continue
        start, end = _value_at(text, match.end())
        value, separator = text[start:end], text[match.end(1) : match.end()]
        is_quoted = start > match.end()
        if _is_no_value(value) or _is_empty(separator, value) or _is_measure(kind, match[1], value):
            continue
        if ":" in separator and not is_quoted and _reads_as_prose(text, match[1], value, end):
            continue
        yield Secret(start, end, kind, is_certain=True)


def _is_empty(separator: str, value: str) -> bool:
    """As the first of ``API_KEY= NAME=x`` is."""
    is_shell = separator.startswith("=") and separator[-1].isspace()
    return is_shell and _ASSIGNED.match(value) is not None


def _is_measure(kind: str, name: str, value: str) -> bool:
    """Such as ``token=512``; API_TOKEN=512 is none."""
    return kind == "token" and not name.isupper() and _NUMBER.fullmatch(value) is not None


def _reads_as_prose(text: str, name: str, value: str, end: int) -> bool:
    """Such as ``unexpected token: end of file``, and ``key: ...`` in a traceback."""
    if not name.replace("_", "").isalnum() or _PLAIN_WORD.fullmatch(value) is None:
        return False
    return _AFTER_OF_PROSE.match(text, end) is not None


def _of_options(text: str) -> Iterator[Secret]:
    for match in patterns.OPTION.finditer(text):
        kind = kind_of_name(match[1])
        start, end = _value_at(text, match.end())
        value = text[start:end]
        if kind and not value.startswith("-") and not _is_no_value(value):
            yield Secret(start, end, kind, is_certain=True)


def _exported(text: str) -> Iterator[Secret]:
    for match in patterns.EXPORTS.finditer(text):
        position = match.end()
        takes_blank = match[0].endswith(("setenv ", "setenv\t"))
        for _ in range(_MOST_VARIABLES):
            variable = patterns.VARIABLE.match(text, position)
            if variable is None or (not variable[0].endswith("=") and not takes_blank):
                break
            start, end = _value_at(text, variable.end())
            value = text[start:end]
            if not _is_evident(variable[1], value):
                yield Secret(start, end, kind_of_name(variable[1]) or ENVIRONMENT)
            position = end + (start > variable.end())


def _is_evident(name: str, value: str) -> bool:
    if _is_no_value(value):
        return True
    if kind_of_name(name):
        return False
    is_shown = _NUMBER.fullmatch(value) or _PATHS.fullmatch(value) or _EVIDENT.fullmatch(name)
    return is_shown is not None


def _value_at(text: str, position: int) -> tuple[int, int]:
    """Where the value begins and ends, without its quotes."""
    opening = _QUOTED.match(text, position)
    if opening:
        start = opening.end()
        end = text.find(opening[0], start, start + _LONGEST_QUOTED)
        if end >= 0 and "\n" not in text[start:end]:
            return start, end
        position = start
    mark = patterns.MARK.match(text, position)
    if mark:
        return position, mark.end()
    found = _WORD.match(text, position, position + _LONGEST_QUOTED)
    end = found.end() if found else position
    item = _NEXT_ITEM.search(text, position, end)
    if item:
        end = item.start()
    while end > position and text[end - 1] in _CLOSING:
        end -= 1
    return position, end


def _is_no_value(value: str) -> bool:
    plain = value.strip()
    return (
        not any(map(str.isalnum, plain))
        or plain.lower() in _NO_VALUES
        or _REFERENCE.fullmatch(plain) is not None
    )


def _is_distinct(value: str) -> bool:
    """Whether it is a secret wherever it stands: long enough, and no word, number or path."""
    return (
        _SHORTEST_LEARNED <= len(value) <= _LONGEST_LEARNED
        and not patterns.MARK.search(value)
        and not _PLAIN_WORD.fullmatch(value)
        and not _NUMBER.fullmatch(value)
        and not _PATHS.fullmatch(value)
        and not _is_no_value(value)
    )


def _spellings(value: str) -> tuple[str, ...]:
    """As it is, in a URL, in HTML and in JSON."""
    return value, quote(value, safe=""), escape(value), json.dumps(value)[1:-1]


def known_secrets(environment: Mapping[str, str]) -> list[str]:
    """The values of variables that are named as secrets."""
    return [value for name, value in environment.items() if kind_of_name(name)]
