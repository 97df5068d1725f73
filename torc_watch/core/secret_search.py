"""Where secrets are in a text."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from torc_watch.core import secret_patterns as patterns
from torc_watch.core.secret_names import kind_of_name
from torc_watch.core.secret_value import is_no_value, is_number, is_path, is_plain_word, value_at

ENVIRONMENT = "environment value"
_LONGEST_KEY = 16_384
_SHORTEST_TOKEN = 8
_MOST_VARIABLES = 1000  # of one `export`
_ASSIGNED = re.compile(r"[A-Za-z_]\w{0,60}=")
_AFTER_OF_PROSE = re.compile(r"[ \t]+[A-Za-z(]")
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
    return sorted(outside_marks(text, found))


def outside_marks(text: str, found: Iterable[Secret]) -> Iterator[Secret]:
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
            if not is_no_value(value):
                yield Secret(match.start(1), match.end(1), kind, kind != "cookie")


def _after_prefix(text: str) -> Iterator[Secret]:
    for kind, pattern in patterns.PREFIXES:
        for match in pattern.finditer(text):
            start, end = value_at(text, match.end())
            value = text[start:end]
            is_short = kind == "token" and len(value) < _SHORTEST_TOKEN
            if not is_short and not is_no_value(value) and not _is_prose(value):
                yield Secret(start, end, kind, is_certain=True)


def _is_prose(value: str) -> bool:
    """Such as in: bearer authentication failed."""
    return len(value) < 20 and is_plain_word(value)


def _named(text: str) -> Iterator[Secret]:
    for match in patterns.NAMED.finditer(text):
        kind = kind_of_name(match[1])
        if kind is None:
            continue
        start, end = value_at(text, match.end())
        value, separator = text[start:end], text[match.end(1) : match.end()]
        is_quoted = start > match.end()
        if is_no_value(value) or _is_empty(separator, value) or _is_measure(kind, match[1], value):
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
    return kind == "token" and not name.isupper() and is_number(value)


def _reads_as_prose(text: str, name: str, value: str, end: int) -> bool:
    """Such as ``unexpected token: end of file``, and ``key: ...`` in a traceback."""
    if not name.replace("_", "").isalnum() or not is_plain_word(value):
        return False
    return _AFTER_OF_PROSE.match(text, end) is not None


def _of_options(text: str) -> Iterator[Secret]:
    for match in patterns.OPTION.finditer(text):
        kind = kind_of_name(match[1])
        start, end = value_at(text, match.end())
        value = text[start:end]
        if kind and not value.startswith("-") and not is_no_value(value):
            yield Secret(start, end, kind, is_certain=True)


def _exported(text: str) -> Iterator[Secret]:
    for match in patterns.EXPORTS.finditer(text):
        position = match.end()
        takes_blank = match[0].endswith(("setenv ", "setenv\t"))
        for _ in range(_MOST_VARIABLES):
            variable = patterns.VARIABLE.match(text, position)
            if variable is None or (not variable[0].endswith("=") and not takes_blank):
                break
            start, end = value_at(text, variable.end())
            value = text[start:end]
            if not _is_evident(variable[1], value):
                yield Secret(start, end, kind_of_name(variable[1]) or ENVIRONMENT)
            position = end + (start > variable.end())


def _is_evident(name: str, value: str) -> bool:
    if is_no_value(value):
        return True
    if kind_of_name(name):
        return False
    return is_number(value) or is_path(value) or _EVIDENT.fullmatch(name) is not None
