"""Renders the systemd files of the service, and detects files that the user has edited."""

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


class FileState(Enum):
    """An installed file of the service, compared with the new one."""

    ABSENT = "absent"
    CURRENT = "current"
    OUTDATED = "outdated"  # written by us and not edited
    EDITED = "edited"


def render_unit(template: str, command: Sequence[str], version: str) -> str:
    """The unit that starts ``command``, whose first word is an absolute path.

    Contains the program's version, so that the text changes with each upgrade.
    """
    unit = template.replace("@COMMAND@", " ".join(quote(word) for word in command))
    return f"# For torc-watch {version}.\n{unit}"


def quote(word: str) -> str:
    """``word`` quoted for ExecStart= and Environment= (systemd.syntax(7), systemd.service(5))."""
    for character, escaped in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%"), ("\n", "\\n")):
        word = word.replace(character, escaped)
    return f'"{word}"'


def sign(text: str) -> str:
    """``text`` below a line with its checksum, so that ``compare`` can detect edits."""
    return f"{_MARK}{sha256(text.encode()).hexdigest()[:16]}\n{text}"


def compare(found: str | None, desired: str | None) -> FileState:
    """``found`` is the installed text, ``desired`` the new signed one; None for no file."""
    if found is None:
        return FileState.ABSENT
    if found == desired:
        return FileState.CURRENT
    return FileState.OUTDATED if found == sign(found.partition("\n")[2]) else FileState.EDITED


def missing_settings(
    environment: Mapping[str, str], service_environment: Mapping[str, str]
) -> dict[str, str]:
    """Settings of torc-watchd and Slurm that services lack or have with another value.

    Without passwords: ``secret_names`` lists those.
    """
    return {
        name: value
        for name, value in sorted(environment.items())
        if _SETTINGS.fullmatch(name)
        and not _is_secret(name, value)
        and service_environment.get(name) != value
    }


def secret_names(environment: Mapping[str, str]) -> list[str]:
    return sorted(name for name, value in environment.items() if _is_secret(name, value))


def _is_secret(name: str, value: str) -> bool:
    return name in ("TORC_PASSWORD", "TORC_WATCHD_NOTIFY") or (
        name.lower().endswith("_proxy") and "@" in value
    )


def environment_drop_in(settings: Mapping[str, str]) -> str:
    lines = [f"Environment={quote(f'{name}={value}')}" for name, value in settings.items()]
    return "\n".join(["[Service]", *lines, ""])
