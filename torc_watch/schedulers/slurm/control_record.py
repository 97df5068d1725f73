"""Records as scontrol prints them, one a line, and its list of settings. Pure."""

import re
from collections.abc import Iterator, Mapping

from torc_watch.core.errors import SchedulerUnreachable

_FIELD = re.compile(r"(?:^|(?<=\s))([A-Z][A-Za-z_]*)=(\S*)")
_SETTING = re.compile(r"\s*([A-Za-z]\w*(?:\[\d+\])?)\s*=\s(.*)")
_NOTHING = frozenset({"", "(null)", "N/A", "NONE"})


def parse_records(text: str, label: str, *, none: str = "") -> Iterator[Mapping[str, str]]:
    """The fields of each line that begins with ``label``; other lines are a site's banner.

    A field counts where it is first: what people wrote, such as a reason, comes last, and may look
    like fields. Raises SchedulerUnreachable if there is no such line, and not the line ``none``.
    """
    lines = [line for line in text.split("\n") if line.startswith(f"{label}=")]
    if not lines and not (none and none in text):
        raise SchedulerUnreachable(
            f"Slurm's answer has no {label!r}, so it may not be complete. Check whether this site "
            "replaces scontrol with a program of its own."
        )
    for line in lines:
        fields: dict[str, str] = {}
        for name, value in _FIELD.findall(line):
            fields.setdefault(name, value)
        yield fields


def parse_fields(text: str) -> Mapping[str, str]:
    """Settings by name, as ``scontrol show config`` prints them."""
    matches = map(_SETTING.fullmatch, text.split("\n"))
    return {match[1]: match[2].strip() for match in matches if match is not None}


def listed(text: str) -> tuple[str, ...]:
    """The names between commas; none for Slurm's words for nothing."""
    return () if text in _NOTHING else tuple(name for name in text.split(",") if name)
