"""Regular expressions of a specification: Rust's syntax, as in Torc, in linear time.

RE2 reads the same syntax but for a few constructs. What it would read in another way than Rust, or
accept though Rust refuses it, is refused here, so that a pattern means the same in both or nothing.
"""

import re
from collections.abc import Callable, Iterable, Iterator

import re2

from torc_watch.core.errors import InvalidSpec

# An escape, a class, the start of a group or a repetition, or any other character.
_PART = re.compile(
    r"\\(?:[pP]\{[^}]*\}|x\{[^}]*\}|b\{|B\{|.)|\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^]\\])*\]"
    r"|\(\?(?:P?<[^>]*>|\))?|\{[^}]*\}?|.",
    re.DOTALL,
)
_IN_CLASS = re.compile(r"\[:\^?\w+:\]|\\[dDsSwW]-(?!\])|\\.|&&|--|~~|\[", re.DOTALL)
_GROUP_NAME = re.compile(r"\(\?P?<([A-Za-z_]\w*)>", re.ASCII)
_REPETITION = re.compile(r"\{[0-9]+(?:,[0-9]*)?\}")
_PERL_CLASS = re.compile(r"\\[bBdDsSwW]")
_OPTIONS = re2.Options()
_OPTIONS.log_errors = False

_ONLY_RE2 = {
    r"\C": "is not known to Torc",
    r"\Q": "is not known to Torc",
    r"\E": "is not known to Torc",
    r"\<": "is not known here; for the start of a word write \\b",
    r"\>": "is not known here; for the end of a word write \\b",
    r"\b{": "is not known here; write \\b",
    r"\B{": "is not known here; write \\B",
}


def compile_pattern(pattern: str, names: Iterable[str]) -> Callable[[str], bool]:
    r"""Whether the pattern matches somewhere in a name, for these names.

    Raises InvalidSpec with the reason for what Rust refuses, and for what only Rust knows: other
    than ASCII characters in names for ``\d`` and the like, operations on classes, flags x, u, R.
    """
    parts = _PART.findall(pattern)
    for reason in _differences(parts):
        raise InvalidSpec(reason)
    perl = next((part for part in parts if _PERL_CLASS.search(part)), None)
    if perl is not None and (other := next(filter(_is_beyond_ascii, names), None)) is not None:
        raise InvalidSpec(
            f"{perl} does not match the same characters as in Torc in names such as {other!r}; "
            r"write [0-9], [A-Za-z0-9_] or \p{L}"
        )
    try:
        compiled = re2.compile(pattern, _OPTIONS)
    except re2.error as error:
        raise InvalidSpec(_text(error)) from None
    return lambda name: compiled.search(name) is not None


def _differences(parts: Iterable[str]) -> Iterator[str]:
    names: set[str] = set()
    for part in parts:
        if part[0] == "\\" and len(part) > 1:
            yield from _of_escape(part)
        elif part[0] == "[" and len(part) > 1:
            yield from _of_class(part)
        elif part[0] == "{" and not _REPETITION.fullmatch(part):
            yield f"{part} is no repetition such as {{2}}; write \\{{ for the character"
        elif part.startswith("(?"):
            yield from _of_group(part, names)


def _of_escape(part: str) -> Iterator[str]:
    if part in _ONLY_RE2:
        yield f"{part} {_ONLY_RE2[part]}"
    elif part[1].isdigit():
        yield f"{part}: references to groups are not known to Torc"
    elif part[1] in "pP" and part[2:4] == "{^":
        yield f"{part}: write \\{part[1].swapcase()}{{{part[4:-1]}}}"


def _of_class(part: str) -> Iterator[str]:
    for found in _IN_CLASS.findall(part[1:-1].removeprefix("^").removeprefix("]")):
        if found in ("&&", "--", "~~", "["):
            yield f"{found} in a class has a meaning in Torc that is not known here: {part}"
        elif found[0] == "\\" and found[-1] == "-" and len(found) > 2:
            yield f"{found[:-1]} cannot begin a range: {part}"
        elif found[0] == "\\":
            yield from _of_escape(found)


def _of_group(part: str, names: set[str]) -> Iterator[str]:
    if part == "(?":
        return
    name = _GROUP_NAME.fullmatch(part)
    if name is None or name[1] in names:
        yield f"{part} is not the name of a group, or the name of two"
    else:
        names.add(name[1])


def _is_beyond_ascii(name: str) -> bool:
    return not name.isascii() or "\v" in name


def _text(error: re2.error) -> str:
    (reason,) = error.args
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
