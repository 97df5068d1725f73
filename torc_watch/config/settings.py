"""Where the server is, who we are there, where our own files are, and how workflows are watched."""

import getpass
import os
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from torc_watch.config.sources import Given, configured, default_home, own_path
from torc_watch.core.errors import InvalidInput
from torc_watch.core.policy import RecoverySettings
from torc_watch.daemon.commands import MAX_INTERVAL, WatchOptions
from torc_watch.torc.transport import Connection

DEFAULT_URL = "http://localhost:8080/torc-service/v1"


def split_command(command: object) -> object:
    """The words of a command that is written as one text. Raises ValueError."""
    words = shlex.split(command) if isinstance(command, str) else command
    if not words:
        raise ValueError("The command is empty")
    return words


_OwnPath = Annotated[Path, AfterValidator(own_path)]
_Factor = Annotated[float, Field(gt=1, allow_inf_nan=False)]
_Seconds = Annotated[float, Field(gt=0, le=MAX_INTERVAL, allow_inf_nan=False)]
_Command = Annotated[tuple[str, ...], BeforeValidator(split_command)]


class Settings(BaseSettings):
    """What is configured; ``output_dir`` is relative to where a command is given."""

    api_url: str = DEFAULT_URL
    username: str | None = None
    password: SecretStr | None = None
    password_file: _OwnPath | None = None
    ca_file: _OwnPath | None = None
    verify_tls: bool = True
    timeout: _Seconds = 30.0
    home: _OwnPath = Field(default_factory=default_home)
    local_runner: str | None = None
    auto_recover: bool = False
    max_retries: Annotated[int, Field(ge=0)] = 3
    memory_multiplier: _Factor = 1.5
    runtime_multiplier: _Factor = 1.5
    retry_unknown: bool = True
    recovery_hook: _Command | None = None
    poll_interval: _Seconds = 60.0
    output_dir: _OwnPath = Path("output")
    lease_patience: _Seconds = 180.0

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - ours says where a value is from
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, _Configured(settings_cls)

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
        if self.local_runner is None:
            return None
        found = shutil.which(own_path(Path(self.local_runner)))
        if found is None:
            raise InvalidInput(
                f"TORC_WATCHD_LOCAL_RUNNER is {self.local_runner!r}, which is no program that can "
                "be run here. Name Torc's own command, such as /opt/torc/bin/torc: a service has "
                "another PATH than your shell. Or unset it."
            )
        return Path(found).absolute()

    def chosen(self, choices: WatchOptions) -> Self:
        """These, but for what was asked for explicitly.

        A hook is run before unknown failures are retried: whoever wants them left alone wants none.
        """
        said: dict[str, Any] = {
            name: value for name, value in asdict(choices).items() if value is not None
        }
        if choices.retry_unknown is False and choices.recovery_hook is None:
            said["recovery_hook"] = None
        if choices.output_dir is not None:
            said["output_dir"] = Path(choices.output_dir)
        return self.model_copy(update=said)

    def recovery(self) -> RecoverySettings:
        return RecoverySettings(
            max_retries=self.max_retries,
            memory_multiplier=self.memory_multiplier,
            runtime_multiplier=self.runtime_multiplier,
            retry_unknown=self.retry_unknown or self.recovery_hook is not None,
        )

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


class _Configured(PydanticBaseSettingsSource):
    """The environment and the files; a value that was empty is not there."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        raise NotImplementedError  # of sources that go from field to field

    def __call__(self) -> dict[str, Any]:
        return {key: given.value for key, given in configured().items()}


def load_settings() -> Settings:
    """What is configured. Raises InvalidInput, which says what is wrong, where.

    Raises ConfigurationAway when that cannot be read.
    """
    try:
        return Settings()
    except ValidationError as error:
        origins = configured()
        problems = [_sentence(problem, origins) for problem in error.errors(include_input=False)]
        raise InvalidInput("\n".join(problems)) from error


def _sentence(problem: ErrorDetails, origins: Mapping[str, Given]) -> str:
    place = _place(str(problem["loc"][0]), origins)
    return f"{place}: {problem['msg'].removeprefix('Value error, ')}."


def _place(key: str, origins: Mapping[str, Given]) -> str:
    origin = origins[key].origin
    return origin if origin.endswith("environment") else f"{key} in {origin}"
