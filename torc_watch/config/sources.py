"""Where the configuration comes from: variables, files, and the state folder that they name.

`list` needs only the state folder and must start quickly: this module imports neither pydantic nor
pydantic-settings. `settings` reads the values with those, from the variables and files named here.
"""

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import platformdirs

from torc_watch.core.errors import ConfigurationAway, InvalidInput
from torc_watch.host.small_file import open_small_file, read_small_file

_NAME = "torc-watchd"
_PREFIX = "TORC_WATCHD_"
_OF_SCRIPTS = ("TORC_WATCHD_PAUSE",)  # those in deploy/
_PASSWORD = "password"  # noqa: S105 - a key's name
_NOTIFY = "notify"
# The environment variables of each setting; the first one that is set counts.
VARIABLES = {
    "api_url": ("TORC_API_URL",),
    "username": ("USER", "USERNAME"),
    _PASSWORD: ("TORC_PASSWORD",),
    "password_file": ("TORC_PASSWORD_FILE",),
    "ca_file": ("TORC_CA_FILE", "TORC_TLS_CA_CERT"),
    "verify_tls": ("TORC_VERIFY_TLS", "TORC_TLS_INSECURE"),
    "timeout": ("TORC_TIMEOUT",),
    "home": ("TORC_WATCHD_HOME",),
    "local_runner": ("TORC_WATCHD_LOCAL_RUNNER",),
    "slurm_runner": ("TORC_WATCHD_SLURM_RUNNER",),
    "slurm_query_interval": ("TORC_WATCHD_SLURM_QUERY_INTERVAL",),
    "auto_recover": ("TORC_WATCHD_AUTO_RECOVER",),
    "max_retries": ("TORC_WATCHD_MAX_RETRIES",),
    "memory_multiplier": ("TORC_WATCHD_MEMORY_MULTIPLIER",),
    "runtime_multiplier": ("TORC_WATCHD_RUNTIME_MULTIPLIER",),
    "policy": ("TORC_WATCHD_POLICY",),
    "cpu_multiplier": ("TORC_WATCHD_CPU_MULTIPLIER",),
    "in_place": ("TORC_WATCHD_IN_PLACE",),
    "retry_unknown": ("TORC_WATCHD_RETRY_UNKNOWN",),
    "rerun_suspects": ("TORC_WATCHD_RERUN_SUSPECTS",),
    "recovery_hook": ("TORC_WATCHD_RECOVERY_HOOK",),
    "scheduler": ("TORC_WATCHD_SCHEDULER",),
    "auto_schedule": ("TORC_WATCHD_AUTO_SCHEDULE",),
    "max_allocations": ("TORC_WATCHD_MAX_ALLOCATIONS",),
    "max_node_hours": ("TORC_WATCHD_MAX_NODE_HOURS",),
    "approve": ("TORC_WATCHD_APPROVE",),
    "approve_above_node_hours": ("TORC_WATCHD_APPROVE_ABOVE_NODE_HOURS",),
    "approve_above_memory_factor": ("TORC_WATCHD_APPROVE_ABOVE_MEMORY_FACTOR",),
    "approve_above_jobs": ("TORC_WATCHD_APPROVE_ABOVE_JOBS",),
    "partition": ("TORC_WATCHD_PARTITION",),
    "walltime": ("TORC_WATCHD_WALLTIME",),
    "exclude_nodes": ("TORC_WATCHD_EXCLUDE_NODES",),
    "poll_interval": ("TORC_WATCHD_POLL_INTERVAL",),
    "output_dir": ("TORC_WATCHD_OUTPUT_DIR",),
    "lease_patience": ("TORC_WATCHD_LEASE_PATIENCE",),
    _NOTIFY: ("TORC_WATCHD_NOTIFY",),
    "notify_command": ("TORC_WATCHD_NOTIFY_COMMAND",),
    "notify_mail": ("TORC_WATCHD_NOTIFY_MAIL",),
    "notify_on": ("TORC_WATCHD_NOTIFY_ON",),
    "notify_per_hour": ("TORC_WATCHD_NOTIFY_PER_HOUR",),
    "notify_digest": ("TORC_WATCHD_NOTIFY_DIGEST",),
    "quiet_hours": ("TORC_WATCHD_QUIET_HOURS",),
    "metrics_file": ("TORC_WATCHD_METRICS_FILE",),
}
# Every shell sets the variables of these, whatever its user wants: a file overrides them.
SET_BY_LOGIN = frozenset({"username"})
_ABSOLUTE = ("password_file", "ca_file", "home", "metrics_file")
_SWITCHES = (
    *("verify_tls", "auto_recover", "retry_unknown", "rerun_suspects"),
    *("auto_schedule", "exclude_nodes", "approve", "in_place"),
)


def config_files() -> list[Path]:
    """Where configuration files may be: the user's, then the site's. The first one overrides."""
    return [folder / "config.toml" for folder in _folders()]


def files_as_found() -> tuple[tuple[int, int, int] | None, ...]:
    """What tells a changed file from the one before; None for one that is not there.

    Of the configuration, and of the rules for failures.

    Raises InvalidInput where it is not known which folder is the user's home.
    """
    return tuple(map(_as_found, (*config_files(), *rule_files())))


def _as_found(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:  # nor can it be read
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def profile_folders() -> list[Path]:
    """Where HPC profiles may be: the user's, then the site's. The first one overrides."""
    return [folder / "hpc" for folder in _folders()]


def rule_files() -> list[Path]:
    """Where rules for failures may be: the user's, then the site's. The first one overrides."""
    return [folder / "rules.toml" for folder in _folders()]


def existing_rule_files() -> list[Path]:
    """As `rule_files`. Raises ConfigurationAway for a file that is there but cannot be opened."""
    return [path for path in rule_files() if _exists(path)]


def unknown_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables that look like ours and set nothing, each with what may have been meant, or ""."""
    variables = [name for names in VARIABLES.values() for name in names]
    known = [name.removeprefix(_PREFIX) for name in variables if name.startswith(_PREFIX)]
    found = {}
    for name in sorted(environment):
        rest = name.removeprefix(_PREFIX)
        if rest != name and rest not in known and name not in _OF_SCRIPTS:
            nearest = difflib.get_close_matches(rest, known, n=1)
            found[name] = f"{_PREFIX}{nearest[0]}" if nearest else ""
    return found


def existing_config_files() -> list[Path]:
    """As `config_files`. Raises ConfigurationAway for a file that is there but cannot be opened."""
    return [path for path in config_files() if _exists(path)]


def default_state_folder() -> Path:
    """Raises InvalidInput where it is not known which folder is the user's home."""
    with _home_needed():
        return platformdirs.user_state_path(_NAME)


def state_folder() -> Path:
    """The state folder; no other value is looked at, but every file is checked.

    Raises ConfigurationAway for a file that cannot be read, InvalidInput for an invalid file or
    path.
    """
    for origin, value in _homes():
        try:
            return own_path(Path(value))
        except InvalidInput as error:
            raise InvalidInput(f"{origin}: {error}.") from error
    return default_state_folder()


def own_path(path: Path) -> Path:
    """``path`` with a leading ~ expanded. Raises InvalidInput."""
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise InvalidInput(f"There is no home for {path.parts[0]}") from error


def environment_origin(variable: str) -> str:
    return f"{variable} in the environment"


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Translates the errors of reading a configuration file.

    Raises ConfigurationAway when it cannot be read, InvalidInput when it is not TOML.
    """
    try:
        yield
    except OSError as error:
        raise ConfigurationAway(f"{path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} is not valid TOML: {error}.") from error
    except (ValueError, RecursionError) as error:
        what = "a number has too many digits" if isinstance(error, ValueError) else "it is too deep"
        raise InvalidInput(f"{path} cannot be used: {what}.") from error


def check_keys(path: Path, values: Mapping[str, Any]) -> None:
    """Refuses what a configuration file must not contain. Raises InvalidInput."""
    for key, value in values.items():
        _check(path, key, value)


def check_private(path: Path, values: Mapping[str, Any]) -> None:
    """Refuses a file with URLs of ``notify`` that others can read.

    Raises InvalidInput, and ConfigurationAway when the file is gone.
    """
    with reading(path):
        mode = path.stat().st_mode
    if values.get(_NOTIFY) and mode & 0o077:
        raise InvalidInput(
            f"Others can read {path}, and its notify has URLs, which may contain secrets. "
            f"Run: chmod 600 {path}"
        )


def _folders() -> list[Path]:
    with _home_needed():
        return list(platformdirs.PlatformDirs(_NAME, multipath=True).iter_config_paths())


@contextmanager
def _home_needed() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise InvalidInput(
            f"HOME is not set, and this machine knows no home folder for user {os.getuid()}: set "
            "HOME to the folder that has your files."
        ) from error


def _homes() -> Iterator[tuple[str, str]]:
    """Every configured state folder with its origin, the strongest first."""
    of_files = [(str(path), _read(path).get("home")) for path in existing_config_files()]
    (variable,) = VARIABLES["home"]
    of_environment = (environment_origin(variable), os.environ.get(variable))
    return ((origin, value) for origin, value in (of_environment, *of_files) if value)


def _exists(path: Path) -> bool:
    with reading(path):
        try:
            with open_small_file(path):
                return True
        except FileNotFoundError:
            return False


def _read(path: Path) -> dict[str, Any]:
    with reading(path):
        values = tomllib.loads(read_small_file(path).decode())
    check_keys(path, values)
    return values


def _check(path: Path, key: str, value: object) -> None:
    if key == _PASSWORD:
        raise InvalidInput(
            f"{path} contains a password. Write it into a file that only you can read (mode 0600), "
            "and name that file with password_file."
        )
    if key not in VARIABLES:
        raise InvalidInput(f"{path}: there is no {_unknown(key, value)}")
    if isinstance(value, bool) and key not in _SWITCHES:
        raise InvalidInput(f"{path}: {key} cannot be true or false.")
    if key in _ABSOLUTE and not (isinstance(value, str) and value.startswith(("/", "~"))):
        raise InvalidInput(f"{path}: {key} must be a path that begins with / or ~, in quotes.")


def _unknown(key: str, value: object) -> str:
    """Names what is not a setting, and what may have been meant."""
    if isinstance(value, dict):
        return f"table [{key}]. Settings stand above all tables, such as: max_retries = 5"
    nearest = difflib.get_close_matches(key.lower(), VARIABLES, n=1)
    meant = f"Did you mean {nearest[0]!r}?" if nearest else f"Settings: {', '.join(VARIABLES)}."
    return f"setting {key!r}. {meant}"
