"""What can be read of bytes that are no text."""

import re

_SAMPLE = 65_536  # characters that say whether it is text
_MOST_ODD = 0.25  # of them
_SHORTEST_RUN = 4  # characters, as of strings(1)
_ODD = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f\ufffd]")
_RUN = re.compile(f"[\\t -~]{{{_SHORTEST_RUN},}}")


def is_text(decoded: str) -> bool:
    """Of what was decoded with U+FFFD for bytes that are no UTF-8."""
    sample = decoded[:_SAMPLE]
    return "\0" not in sample and len(_ODD.findall(sample)) <= _MOST_ODD * len(sample)


def readable(decoded: str, start: int = 0, end: int | None = None) -> str:
    """A line for each run of letters, digits and signs."""
    stop = len(decoded) if end is None else end
    return "\n".join(match[0] for match in _RUN.finditer(decoded, start, stop))
