"""Lines of output as people would read them, and what two of them have in common."""

import re

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|.)")
# A dump of the environment repeats what others have written.
_VARIABLE = re.compile(r"^(?:declare -x |export )?[A-Za-z_][A-Za-z0-9_]*=.*$", re.MULTILINE)
_PREFIX = re.compile(  # of a logger or a launcher, before what the program says
    r"^(?:\[?\d{4}-\d\d-\d\d[T ][\d:.,+Z-]+\]?\s*)?"
    r"(?:\[?rank\s?\d+\]?:\s*|\[\d+,\d+\]<std(?:err|out)>:\s*|\d+:\s+(?=\S))?",
    re.MULTILINE,
)
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|`[^']*'")
_PATH = re.compile(r"(?:/[\w.@+-]+)+/?")
_NUMBER = re.compile(r"0x[0-9a-fA-F]+|\b[0-9a-f]{8,}\b|\d+(?:\.\d+)?")
_SPACE = re.compile(r"\s+")
_FINGERPRINT = 160  # characters


def printable_text(text: str) -> str:
    """Without escapes, variables and prefixes; a carriage return begins a line."""
    text = _ESCAPES.sub("", text).replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    return _PREFIX.sub("", _VARIABLE.sub("", text))


def fingerprint(rule: str, line: str, *, keeps_quoted: bool) -> str:
    """What failures of the same kind have in common: the line without names, paths and numbers.

    What is quoted may be the error itself, or only the file that has it.
    """
    kept = line if keeps_quoted else _QUOTED.sub("'…'", line)
    kept = _NUMBER.sub("#", _PATH.sub("/…", kept))
    return f"{rule}: {_SPACE.sub(' ', kept).strip()[:_FINGERPRINT]}"
