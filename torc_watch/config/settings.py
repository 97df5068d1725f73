"""The validated settings: the server, the user's account on it, our own files, and how to watch.

pydantic-settings reads them from keyword arguments, the environment and the TOML files that
`sources` names. `origins` tells where each value comes from.
"""

import getpass
import os
import re
import shlex
import shutil
from collections.abc import Collection, Mapping
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasGenerator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
)
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from torc_watch.config.sources import (
    SET_BY_LOGIN,
    VARIABLES,
    check_keys,
    check_private,
    default_state_folder,
    environment_origin,
    existing_config_files,
    own_path,
    reading,
)
from torc_watch.core.errors import InvalidInput, InvalidQuantity
from torc_watch.core.news import NewsKind
from torc_watch.core.news_schedule import DEFAULT_PER_HOUR, NewsLimits, QuietHours
from torc_watch.core.recovery_round import (
    DEFAULT_MAX_ALLOCATIONS,
    DEFAULT_MAX_RETRIES,
    DEFAULT_MULTIPLIER,
    ApprovalLimits,
    RecoverySettings,
)
from torc_watch.core.scheduler_choice import SchedulerChoice
from torc_watch.core.sizing_policy import SizingPolicy
from torc_watch.core.walltime import parse_walltime
from torc_watch.daemon.commands import (
    DEFAULT_OUTPUT_DIR,
    DEFAULT_POLL_INTERVAL,
    MAX_INTERVAL,
    WatchOptions,
    is_partition_name,
)
from torc_watch.torc.transport import Connection

DEFAULT_URL = "http://localhost:8080/torc-service/v1"
SLURM_RUNNER = "torc-slurm-job-runner"
_SETTINGS = {variable: name for name, variables in VARIABLES.items() for variable in variables}
_MULTIPLIERS = ("memory_multiplier", "runtime_multiplier")
_OPPOSITES = {"true": "false", "false": "true"}  # the values that Torc takes for TORC_TLS_INSECURE


def _split_command(command: object) -> object:
    """The arguments of a command that is written as one string. Raises ValueError."""
    words = shlex.split(command) if isinstance(command, str) else command
    if not words:
        raise ValueError("The command is empty")
    return words


def _seconds_of_walltime(walltime: object) -> object:
    """Raises ValueError."""
    if not isinstance(walltime, str):
        return walltime
    try:
        return parse_walltime(walltime)
    except InvalidQuantity as error:
        raise ValueError(str(error)) from None


def _check_partition(text: str) -> str:
    if not is_partition_name(text):
        raise ValueError("It must be the name of one partition")
    return text


def _words(text: object) -> object:
    """Those of a text, as a variable has them; a list stays as it is."""
    return tuple(text.split()) if isinstance(text, str) else text


def _check_news_url(url: SecretStr) -> SecretStr:
    if not _NEWS_URL.match(url.get_secret_value()):
        raise ValueError("Each must be a URL of apprise, such as mailto://... or slack://...")
    return url


def _check_address(address: str) -> str:
    """Raises ValueError for what a mail program may take for an option, or for several."""
    if not _ADDRESS.fullmatch(address):
        raise ValueError("Each must be a mail address, or the name of a user here")
    return address


def _check_quiet_hours(text: str) -> str:
    """Raises InvalidInput, a ValueError."""
    return str(QuietHours.parse(text))


_NEWS_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+\Z")
_ADDRESS = re.compile(r"[A-Za-z0-9_.+][^\s,;:<>()\"'|`$\\]*")
_NewsUrl = Annotated[SecretStr, AfterValidator(_check_news_url)]
_Address = Annotated[str, AfterValidator(_check_address)]
_QuietHoursText = Annotated[str, AfterValidator(_check_quiet_hours)]
_OwnPath = Annotated[Path, AfterValidator(own_path)]
_Factor = Annotated[float, Field(gt=1, allow_inf_nan=False)]
_Seconds = Annotated[float, Field(gt=0, le=MAX_INTERVAL, allow_inf_nan=False)]
_Limit = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Hours = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Partition = Annotated[str, AfterValidator(_check_partition)]
_Walltime = Annotated[int, Field(gt=0), BeforeValidator(_seconds_of_walltime)]
_Command = Annotated[tuple[str, ...], BeforeValidator(_split_command)]


class Settings(BaseSettings):
    """The configuration; ``output_dir`` is relative to the working directory of the command."""

    model_config = SettingsConfigDict(
        alias_generator=AliasGenerator(
            validation_alias=lambda name: AliasChoices(*VARIABLES[name])
        ),
        validate_by_name=True,
        loc_by_alias=False,
        case_sensitive=True,
        env_ignore_empty=True,
        enable_decoding=False,  # a hook's command in the environment is no JSON
    )

    api_url: str = DEFAULT_URL
    username: str | None = None
    password: SecretStr | None = None
    password_file: _OwnPath | None = None
    ca_file: _OwnPath | None = None
    verify_tls: bool = True
    timeout: _Seconds = 30.0
    home: _OwnPath = Field(default_factory=default_state_folder)
    local_runner: str | None = None
    slurm_runner: str | None = None
    slurm_query_interval: _Seconds = 30.0
    auto_recover: bool = False
    max_retries: Annotated[int, Field(ge=0)] = DEFAULT_MAX_RETRIES
    memory_multiplier: _Factor = DEFAULT_MULTIPLIER
    runtime_multiplier: _Factor = DEFAULT_MULTIPLIER
    policy: SizingPolicy | None = None
    cpu_multiplier: _Factor | None = None
    in_place: bool | None = None
    retry_unknown: bool = True
    rerun_suspects: bool = False
    recovery_hook: _Command | None = None
    scheduler: SchedulerChoice = SchedulerChoice.AUTO
    auto_schedule: bool = True
    max_allocations: Annotated[int, Field(ge=1)] = DEFAULT_MAX_ALLOCATIONS
    max_node_hours: _Hours | None = None
    approve: bool = False
    approve_above_node_hours: _Limit | None = None
    approve_above_memory_factor: Annotated[float, Field(ge=1, allow_inf_nan=False)] | None = None
    approve_above_jobs: Annotated[int, Field(ge=0)] | None = None
    partition: _Partition | None = None
    walltime: _Walltime | None = None
    exclude_nodes: bool = True
    poll_interval: _Seconds = DEFAULT_POLL_INTERVAL
    output_dir: _OwnPath = Path(DEFAULT_OUTPUT_DIR)
    lease_patience: _Seconds = 180.0
    notify: Annotated[tuple[_NewsUrl, ...], BeforeValidator(_words)] = ()
    notify_command: _Command | None = None
    notify_mail: Annotated[tuple[_Address, ...], BeforeValidator(_words)] = ()
    notify_on: Annotated[tuple[NewsKind, ...], BeforeValidator(_words)] = tuple(NewsKind)
    notify_per_hour: Annotated[int, Field(ge=1)] = DEFAULT_PER_HOUR
    notify_digest: _Seconds | None = None
    quiet_hours: _QuietHoursText | None = None
    metrics_file: _OwnPath | None = None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - ours remember the origins
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, *_sources(settings_cls)

    @property
    def chosen_url(self) -> str | None:
        """``api_url`` where a variable or a file has it; None where it is the default."""
        return self.api_url if "api_url" in self.model_fields_set else None

    def connection(self, url: str | None = None) -> Connection:
        """How to reach the server at ``url``, by default TORC_API_URL. Raises InvalidInput."""
        return Connection(
            url=url or self.api_url,
            username=self.user_name(),
            password=self._password(),
            ca_file=self.ca_file,
            verify_tls=self.verify_tls,
            timeout=self.timeout,
        )

    def user_name(self) -> str:
        """The user's name, or number where the machine knows no name for it."""
        try:
            return self.username or getpass.getuser()
        except (KeyError, OSError):
            return str(os.getuid())

    def torc_program(self) -> Path | None:
        """Torc's command that is to run jobs here; None for our own runner. Raises InvalidInput."""
        return None if self.local_runner is None else _program("local_runner", self.local_runner)

    def slurm_runner_program(self) -> Path | None:
        """Torc's runner for Slurm, as set or on the PATH; else None. Raises InvalidInput."""
        if self.slurm_runner is not None:
            return _program("slurm_runner", self.slurm_runner)
        found = shutil.which(SLURM_RUNNER)
        return Path(found).absolute() if found else None

    def with_options(self, options: WatchOptions) -> Self:
        """These, overridden by the options that are set.

        A hook is run before unknown failures are retried: without such retries there is none.
        A multiplier overrides the configured policy, which would not use it.
        """
        given: dict[str, Any] = {
            name: value for name, value in asdict(options).items() if value is not None
        }
        if options.retry_unknown is False and options.recovery_hook is None:
            given["recovery_hook"] = None
        if options.policy is None and not given.keys().isdisjoint(_MULTIPLIERS):
            given["policy"] = None
        if options.output_dir is not None:
            given["output_dir"] = Path(options.output_dir)
        return self.model_copy(update=given)

    def news_limits(self) -> NewsLimits:
        return NewsLimits(
            quiet_hours=QuietHours.parse(self.quiet_hours) if self.quiet_hours else None,
            digest=timedelta(seconds=self.notify_digest or 0),
            per_hour=self.notify_per_hour,
        )

    def recovery(self) -> RecoverySettings:
        return RecoverySettings(
            max_retries=self.max_retries,
            memory_multiplier=self.memory_multiplier,
            runtime_multiplier=self.runtime_multiplier,
            sizing=self._sizing(),
            cpu_multiplier=self.cpu_multiplier,
            in_place=self.in_place,
            retry_unknown=self.retry_unknown or self.recovery_hook is not None,
            rerun_suspects=self.rerun_suspects,
            scheduler=self.scheduler,
            auto_schedule=self.auto_schedule,
            max_allocations=self.max_allocations,
            max_node_hours=self.max_node_hours,
            partition=self.partition,
            walltime=self.walltime,
            after_repair=self.recovery_hook is not None,
            exclude_nodes=self.exclude_nodes,
            approval=ApprovalLimits(
                always=self.approve,
                node_hours=self.approve_above_node_hours,
                memory_factor=self.approve_above_memory_factor,
                jobs=self.approve_above_jobs,
            ),
        )

    def _sizing(self) -> SizingPolicy:
        """Who gives a multiplier wants it to be used."""
        if self.policy is not None:
            return self.policy
        has_multiplier = not self.model_fields_set.isdisjoint(_MULTIPLIERS)
        return SizingPolicy.FIXED if has_multiplier else SizingPolicy.EVIDENCE

    def _password(self) -> str | None:
        if self.password is not None:
            return self.password.get_secret_value()
        if self.password_file is None:
            return None
        try:
            if self.password_file.stat().st_mode & 0o077:
                raise InvalidInput(
                    f"Others can read the password file {self.password_file}. "
                    f"Run: chmod 600 {self.password_file}"
                )
            return self.password_file.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not a text in UTF-8"
            raise InvalidInput(
                f"The password file {self.password_file} cannot be read: {reason}."
            ) from error


def _program(setting: str, command: str) -> Path:
    found = shutil.which(own_path(Path(command)))
    if found is None:
        raise InvalidInput(
            f"{setting} is {command!r}, which is not a program that can be run here. Set "
            f"{setting}, or TORC_WATCHD_{setting.upper()} in the environment, to the path of a "
            "program of Torc's, such as /opt/torc/bin/torc, or remove the setting. A service has "
            "another PATH than your shell."
        )
    return Path(found).absolute()


class _Environment(EnvSettingsSource):
    """Environment variables of the settings in ``names``; ``origins`` is filled by the call."""

    def __init__(self, settings_cls: type[BaseSettings], names: Collection[str]) -> None:
        super().__init__(settings_cls)
        self._names = names
        self.origins: dict[str, str] = {}

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        text, variable, _ = super().get_field_value(field, field_name)
        if text is None or field_name not in self._names or variable not in VARIABLES[field_name]:
            return None, field_name, False
        self.origins[field_name] = environment_origin(variable)
        if variable == "TORC_TLS_INSECURE":
            text = _OPPOSITES.get(text, text)
        return text, variable, False

    def __call__(self) -> dict[str, Any]:
        """By the settings' names, as files are, so that the strongest source wins."""
        return {_SETTINGS[variable]: text for variable, text in super().__call__().items()}


class _ConfigFile(TomlConfigSettingsSource):
    """One configuration file. Raises ConfigurationAway and InvalidInput."""

    def __init__(self, settings_cls: type[BaseSettings], path: Path) -> None:
        with reading(path):
            super().__init__(settings_cls, toml_file=path)
        check_keys(path, self.toml_data)
        check_private(path, self.toml_data)
        self.origins = dict.fromkeys(self.toml_data, str(path))

    def __call__(self) -> dict[str, Any]:
        """By the settings' names, as they are written."""
        return self.toml_data


def _sources(settings_cls: type[BaseSettings]) -> list[_Environment | _ConfigFile]:
    """The strongest first."""
    return [
        _Environment(settings_cls, VARIABLES.keys() - SET_BY_LOGIN),
        *(_ConfigFile(settings_cls, path) for path in existing_config_files()),
        _Environment(settings_cls, SET_BY_LOGIN),
    ]


def origins() -> dict[str, str]:
    """Where each value comes from, by the setting's name; a setting with its default is missing.

    Raises ConfigurationAway for a file that cannot be read, InvalidInput for an invalid one.
    """
    found: dict[str, str] = {}
    for source in reversed(_sources(Settings)):
        source()
        found |= source.origins
    return found


def load_settings() -> Settings:
    """The configuration. Raises InvalidInput, which names each invalid value and its origin.

    Raises ConfigurationAway when a file cannot be read.
    """
    try:
        return Settings()
    except ValidationError as error:
        places = origins()
        problems = [_describe(problem, places) for problem in error.errors(include_input=False)]
        raise InvalidInput("\n".join(problems)) from error


def _describe(problem: ErrorDetails, places: Mapping[str, str]) -> str:
    name = str(problem["loc"][0])
    origin = places.get(name, "the configuration")  # which may have changed since
    place = origin if origin.endswith("environment") else f"{name} in {origin}"
    return f"{place}: {problem['msg'].removeprefix('Value error, ')}."
