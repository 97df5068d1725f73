"""The files of the service, as text: rendered, and recognised when they are found again."""

import re
from collections.abc import Mapping, Sequence
from enum import Enum
from hashlib import sha256

NAME = "torc-watchd.service"
_MARK = "# Written by `torc-watchd service install`, "
_SETTINGS = re.compile(
    r"TORC_(API_URL|PASSWORD_FILE|CA_FILE|VERIFY_TLS|TIMEOUT|TLS_CA_CERT|TLS_INSECURE)"
    r"|TORC_WATCHD_[A-Z_]+|SLURM_CONF|PATH|(?i:https?|all|no)_(?i:proxy)"
)


class Found(Enum):
    """A file of the service, compared with what is to be there."""

    ABSENT = "absent"
    SAME = "same"
    OURS = "ours"  # and older: as we wrote it
    EDITED = "edited"


def rendered(template: str, command: Sequence[str], version: str) -> str:
    """The unit that starts ``command``, whose first word is an absolute path.

    It names the version of the program, so that after an upgrade it is another.
    """
    unit = template.replace("@COMMAND@", " ".join(quoted(word) for word in command))
    return f"# For torc-watch {version}.\n{unit}"


def quoted(word: str) -> str:
    """``word`` in an ExecStart= or Environment= line (systemd.syntax(7), systemd.service(5))."""
    for character, escaped in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%"), ("\n", "\\n")):
        word = word.replace(character, escaped)
    return f'"{word}"'


def signed(text: str) -> str:
    """``text`` under a line by which ``compare`` knows that nobody has edited it since."""
    return f"{_MARK}{sha256(text.encode()).hexdigest()[:16]}\n{text}"


def compare(found: str | None, wanted: str | None) -> Found:
    """What ``found``, the text of a file or None, is to ``wanted``, which is signed."""
    if found is None:
        return Found.ABSENT
    if found == wanted:
        return Found.SAME
    return Found.OURS if found == signed(found.partition("\n")[2]) else Found.EDITED


def missing_settings(
    environment: Mapping[str, str], of_services: Mapping[str, str]
) -> dict[str, str]:
    """The variables that torc-watchd and Slurm go by and that services have not, or not so.

    Passwords are left out: ``secret_names`` has their names.
    """
    return {
        name: value
        for name, value in sorted(environment.items())
        if _SETTINGS.fullmatch(name)
        and not _is_secret(name, value)
        and of_services.get(name) != value
    }


def secret_names(environment: Mapping[str, str]) -> list[str]:
    return sorted(name for name, value in environment.items() if _is_secret(name, value))


def _is_secret(name: str, value: str) -> bool:
    return name == "TORC_PASSWORD" or (name.lower().endswith("_proxy") and "@" in value)


def environment_drop_in(settings: Mapping[str, str]) -> str:
    lines = [f"Environment={quoted(f'{name}={value}')}" for name, value in settings.items()]
    return "\n".join(["[Service]", *lines, ""])
