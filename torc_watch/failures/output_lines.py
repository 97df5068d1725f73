"""Lines of output as people would read them, and what two of them have in common."""

import json
import re

LOGGED = "\x1f"  # before a line that a program logged: it went on, at least for a moment

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|.)")
# A dump of the environment repeats what others have written.
_VARIABLE = re.compile(r"^(?:declare -x |export )?[A-Za-z_][A-Za-z0-9_]*=.*$", re.MULTILINE)
_DATE = r"\d{4}[-/]\d\d[-/]\d\d[T ][\d:.,+Z-]+"
_TIME = rf"(?:{_DATE}|[A-Z][a-z]{{2}} [A-Z][a-z]{{2}} [ \d]\d [\d:]{{8}} \d{{4}})"
_LEVEL = r"(?:ERROR|CRITICAL|FATAL|SEVERE|error|critical|fatal)"
_GAP = r"[ \t|:-]{0,8}"
_LOGGER = r"(?:\[[\w.:<>-]+\] |[a-z_]+(?:\.[a-z_]+)*: |[\w.:<>-]+ [|-] )?"
_PREFIX = re.compile(  # of a logger, a launcher or a group of exceptions, before what is said
    rf"^(?: {{0,8}}\[?{_TIME}\]?{_GAP}|\[rank\s?\d+\]: ?|\[\d+,\d+\]<std(?:err|out)>:{_GAP}"
    r"|\d+: {1,8}(?=\S)| {2,16}\| )+"
    rf"(?P<level>(?:[\w.]+ - )?\[?{_LEVEL}\b\]?[ \t|:-]{_GAP}{_LOGGER})?"
    r"|^(?P<plain>(?:ERROR|CRITICAL):[\w.]+:)",
    re.MULTILINE,
)
_ENTRY = re.compile(  # of a log in JSON
    r'^\{"(?=.*"(?:error|critical|fatal)"|.*Traceback \(most).*\}$', re.MULTILINE | re.IGNORECASE
)
_RETRY = re.compile(
    r"\b(?:retrying|trying again|will retry|retry in \d|falling back|reconnecting)\b"
    r"|^Exception ignored ",
    re.IGNORECASE | re.MULTILINE,
)
_TRACEBACK = "Traceback (most recent call last):\n"
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|`[^']*'")
_PATH = re.compile(r"(?:/[\w.@+-]+)+/?")
_NUMBER = re.compile(r"0x[0-9a-fA-F]+|\b[0-9a-f]{8,}\b|\d+(?:\.\d+)?")
_SPACE = re.compile(r"\s+")
_FINGERPRINT = 160  # characters
_LINES_AFTER = 3  # among which programs say that they try again
_LONGEST_TRACEBACK = 8000  # characters


def printable_text(text: str) -> str:
    """Without escapes, variables and prefixes; a carriage return begins a line.

    ``LOGGED`` takes the place of a logger's prefix. Errors in JSON become lines of their own.
    """
    text = _ESCAPES.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    text = text.replace("\0", "").replace(LOGGED, "")
    if '\n{"' in text or text.startswith('{"'):
        text = _ENTRY.sub(_unfolded, text)
    return _PREFIX.sub(_mark, _VARIABLE.sub("", text))


def start_of_last(lines: int, text: str) -> int:
    """Where the last lines of a text begin."""
    start = len(text)
    for _ in range(lines + 1):
        start = text.rfind("\n", 0, start)
        if start < 0:
            return 0
    return start + 1


def line_at(position: int, text: str) -> str:
    return text[position:].partition("\n")[0].removeprefix(LOGGED)


def is_retried(position: int, text: str) -> bool:
    """Whether the program says beside its error that it goes on in another way."""
    start, end = _begin_of_error(position, text), position
    for _ in range(_LINES_AFTER + 1):
        end = text.find("\n", end + 1)
        if end < 0:
            end = len(text)
            break
    return _RETRY.search(text, start, end) is not None


def fingerprint(rule: str, line: str, *, keeps_quoted: bool) -> str:
    """What failures of the same kind have in common: the line without names, paths and numbers.

    What is quoted may be the error itself, or only the file that has it.
    """
    kept = line if keeps_quoted else _QUOTED.sub("'…'", line)
    kept = _NUMBER.sub("#", _PATH.sub("/…", kept))
    return f"{rule}: {_SPACE.sub(' ', kept).strip()[:_FINGERPRINT]}"


def _mark(prefix: re.Match[str]) -> str:
    return LOGGED if prefix["level"] or prefix["plain"] else ""


def _unfolded(entry: re.Match[str]) -> str:
    try:
        fields = json.loads(entry[0])
    except (ValueError, RecursionError):
        return entry[0]
    texts = [value for value in fields.values() if isinstance(value, str)]
    return "\n".join(LOGGED + text if "\n" not in text else text for text in texts)


def _begin_of_error(position: int, text: str) -> int:
    """Of the line before its traceback, if it has one."""
    begin = text.rfind(_TRACEBACK, max(0, position - _LONGEST_TRACEBACK), position)
    if begin < 0:
        return position
    frames = text[begin + len(_TRACEBACK) : position].splitlines()
    if not all(line.startswith(" ") for line in frames):
        return position
    return text.rfind("\n", 0, max(0, begin - 1)) + 1
