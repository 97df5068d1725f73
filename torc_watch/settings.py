"""Where the server is, who we are there, and where our own files are: from the environment."""

import getpass
import os
import shutil
from pathlib import Path
from typing import Annotated

import platformdirs
from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from torc_watch.core.errors import InvalidInput
from torc_watch.torc.transport import Connection

DEFAULT_URL = "http://localhost:8080/torc-service/v1"


class Settings(BaseSettings):
    """Torc's own variables for its server, TORC_WATCHD_HOME for what torc-watch keeps."""

    model_config = SettingsConfigDict(env_ignore_empty=True)

    api_url: Annotated[str, Field(validation_alias="TORC_API_URL")] = DEFAULT_URL
    username: Annotated[str | None, Field(validation_alias=AliasChoices("USER", "USERNAME"))] = None
    password: Annotated[SecretStr | None, Field(validation_alias="TORC_PASSWORD")] = None
    password_file: Annotated[Path | None, Field(validation_alias="TORC_PASSWORD_FILE")] = None
    ca_file: Annotated[Path | None, Field(validation_alias="TORC_CA_FILE")] = None
    verify_tls: Annotated[bool, Field(validation_alias="TORC_VERIFY_TLS")] = True
    timeout: Annotated[float, Field(validation_alias="TORC_TIMEOUT", gt=0)] = 30.0
    home: Annotated[Path, Field(validation_alias="TORC_WATCHD_HOME")] = (
        platformdirs.user_state_path("torc-watchd")
    )
    local_runner: Annotated[str | None, Field(validation_alias="TORC_WATCHD_LOCAL_RUNNER")] = None

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
        found = shutil.which(Path(self.local_runner).expanduser())
        if found is None:
            raise InvalidInput(
                f"TORC_WATCHD_LOCAL_RUNNER is {self.local_runner!r}, which is no program that can "
                "be run here. Name Torc's own command, such as torc or /opt/torc/bin/torc, or "
                "unset it."
            )
        return Path(found).absolute()

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
