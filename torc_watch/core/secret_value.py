"""The value of a secret in a text: where it ends, and what is none."""

import re

from torc_watch.core import secret_patterns as patterns

_LONGEST_QUOTED = 4096  # characters
_QUOTED = re.compile(r"\\{0,3}[\"'`]")
_WORD = re.compile(r"[^\s\"'`]*")
_NEXT_ITEM = re.compile(r"[,;&](?=[\w.-]{1,60}[=:])")
_CLOSING = ",;:)]}>&|\\"
# What a value says that is none: a variable, a placeholder.
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
_PLAIN_WORD = re.compile(r"[A-Za-z]?[a-z]{0,30}")
_PATHS = re.compile(r"(?:~|\.{1,2})?/.*|[\w.-]+(?:/[\w.-]+)+/?")


def value_at(text: str, position: int) -> tuple[int, int]:
    """Where the value begins and ends, without its quotes."""
    opening = _QUOTED.match(text, position)
    if opening:
        start = opening.end()
        end = text.find(opening[0], start, start + _LONGEST_QUOTED)
        while end > start and len(opening[0]) == 1 and text[end - 1] == "\\":  # an escaped quote
            end = text.find(opening[0], end + 1, start + _LONGEST_QUOTED)
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


def is_no_value(value: str) -> bool:
    plain = value.strip()
    return (
        not any(map(str.isalnum, plain))
        or plain.lower() in _NO_VALUES
        or _REFERENCE.fullmatch(plain) is not None
    )


def is_number(value: str) -> bool:
    """Also with a unit: 12g, 5.5s, 80%."""
    return _NUMBER.fullmatch(value) is not None


def is_plain_word(value: str) -> bool:
    return _PLAIN_WORD.fullmatch(value) is not None


def is_path(value: str) -> bool:
    return _PATHS.fullmatch(value) is not None
