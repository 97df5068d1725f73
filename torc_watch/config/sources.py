"""What is configured, and where: in the environment, the user's file or the site's file.

Values are as they were written; `settings` reads them. Here nothing is imported that takes a
moment, for those commands that only ask where the state folder is.
"""

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from torc_watch.core.errors import ConfigurationAway, InvalidInput

_NAME = "torc-watchd"
_PASSWORD = "password"  # noqa: S105 - a key's name
VARIABLES = {
    "api_url": ("TORC_API_URL",),
    "username": (),
    _PASSWORD: ("TORC_PASSWORD",),
    "password_file": ("TORC_PASSWORD_FILE",),
    "ca_file": ("TORC_CA_FILE", "TORC_TLS_CA_CERT"),
    "verify_tls": ("TORC_VERIFY_TLS", "TORC_TLS_INSECURE"),
    "timeout": ("TORC_TIMEOUT",),
    "home": ("TORC_WATCHD_HOME",),
    "local_runner": ("TORC_WATCHD_LOCAL_RUNNER",),
    "auto_recover": ("TORC_WATCHD_AUTO_RECOVER",),
    "max_retries": ("TORC_WATCHD_MAX_RETRIES",),
    "memory_multiplier": ("TORC_WATCHD_MEMORY_MULTIPLIER",),
    "runtime_multiplier": ("TORC_WATCHD_RUNTIME_MULTIPLIER",),
    "retry_unknown": ("TORC_WATCHD_RETRY_UNKNOWN",),
    "recovery_hook": ("TORC_WATCHD_RECOVERY_HOOK",),
    "poll_interval": ("TORC_WATCHD_POLL_INTERVAL",),
    "output_dir": ("TORC_WATCHD_OUTPUT_DIR",),
    "lease_patience": ("TORC_WATCHD_LEASE_PATIENCE",),
}
# Every shell sets these, whatever its user wants: a file knows better.
_LOGIN = {"username": ("USER", "USERNAME")}
_OPPOSITES = {"true": "false", "false": "true"}  # of what Torc takes for TORC_TLS_INSECURE
_ABSOLUTE = ("password_file", "ca_file", "home")
_SWITCHES = ("verify_tls", "auto_recover", "retry_unknown")


@dataclass(frozen=True, slots=True)
class Given:
    """A value as it was written, and where; ``origin`` goes on after "... in"."""

    value: Any
    origin: str


def configured() -> dict[str, Given]:
    """By the name of the setting; what is nearer to the user counts.

    Raises ConfigurationAway for a file that cannot be read, InvalidInput for what it should not
    hold.
    """
    found = dict(_of_environment(_LOGIN))
    for path in reversed(files()):
        found |= {key: Given(value, str(path)) for key, value in _of_file(path).items()}
    return found | dict(_of_environment(VARIABLES))


def files() -> list[Path]:
    """Where a configuration is looked for, the user's before the site's."""
    folders = platformdirs.PlatformDirs(_NAME, multipath=True).iter_config_paths()
    return [folder / "config.toml" for folder in folders]


def default_home() -> Path:
    return platformdirs.user_state_path(_NAME)


def home() -> Path:
    """The state folder, without a look at any other value. Raises as `configured` does."""
    given = configured().get("home")
    if given is None:
        return default_home()
    try:
        return own_path(Path(given.value))
    except InvalidInput as error:
        raise InvalidInput(f"{given.origin}: {error}.") from error


def own_path(path: Path) -> Path:
    """With the home that a ~ at its beginning stands for. Raises InvalidInput."""
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise InvalidInput(f"There is no home for {path.parts[0]}") from error


def _of_environment(variables: Mapping[str, tuple[str, ...]]) -> Iterator[tuple[str, Given]]:
    """What is empty is not set."""
    for key, names in variables.items():
        for name in names:
            if text := os.environ.get(name):
                if name == "TORC_TLS_INSECURE":
                    text = _OPPOSITES.get(text, text)
                yield key, Given(text, f"{name} in the environment")
                break


def _of_file(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigurationAway(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:  # its syntax, or bytes that are no UTF-8
        raise InvalidInput(f"{path} is not written in TOML: {error}.") from error
    for key, value in values.items():
        _check(path, key, value)
    return values


def _check(path: Path, key: str, value: object) -> None:
    if key == _PASSWORD:
        raise InvalidInput(
            f"{path} holds a password. Write it into a file that only you can read (mode 0600), "
            "and name that with password_file."
        )
    if key not in VARIABLES:
        raise InvalidInput(f"{path}: there is no {_named(key, value)}")
    if isinstance(value, bool) and key not in _SWITCHES:
        raise InvalidInput(f"{path}: {key} cannot be true or false.")
    if key in _ABSOLUTE and not (isinstance(value, str) and value.startswith(("/", "~"))):
        raise InvalidInput(f"{path}: {key} has to be a path that begins with / or ~, in quotes.")


def _named(key: str, value: object) -> str:
    """What was written in the place of a setting, and what may have been meant."""
    if isinstance(value, dict):
        return f"table [{key}]. Settings stand above all tables, such as: max_retries = 5"
    nearest = difflib.get_close_matches(key.lower(), VARIABLES, n=1)
    meant = f"Did you mean {nearest[0]!r}?" if nearest else f"There are: {', '.join(VARIABLES)}."
    return f"setting {key!r}. {meant}"
