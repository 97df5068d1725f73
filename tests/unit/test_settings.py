"""What the environment says, and what is wrong with it."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from torc_watch.core.errors import InvalidInput
from torc_watch.settings import Settings

VARIABLES = (
    "TORC_API_URL",
    "TORC_PASSWORD",
    "TORC_PASSWORD_FILE",
    "TORC_CA_FILE",
    "TORC_VERIFY_TLS",
    "TORC_TIMEOUT",
    "TORC_WATCHD_HOME",
    "TORC_WATCHD_LOCAL_RUNNER",
    "USER",
    "USERNAME",
)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """None but what a test sets, for the user ada."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("USER", "ada")
    return monkeypatch


def test_nothing_set() -> None:
    connection = Settings().connection()
    assert connection.url == "http://localhost:8080/torc-service/v1"
    assert (connection.username, connection.password) == ("ada", None)
    assert connection.verify_tls
    assert Settings().home.name == "torc-watchd"
    assert Settings().torc_program() is None


def test_everything_set(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.setenv("TORC_API_URL", "https://torc.example.org")
    environment.setenv("TORC_PASSWORD", "secret")
    environment.setenv("TORC_CA_FILE", str(tmp_path / "ca.pem"))
    environment.setenv("TORC_VERIFY_TLS", "false")
    environment.setenv("TORC_TIMEOUT", "2.5")
    connection = Settings().connection()
    assert connection.url == "https://torc.example.org/torc-service/v1"
    assert connection.password == "secret"  # noqa: S105 - of nobody
    assert connection.ca_file == tmp_path / "ca.pem"
    assert connection.timeout == 2.5
    assert not connection.verify_tls


def test_url_of_the_command_line_comes_first(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("TORC_API_URL", "http://one")
    assert Settings().connection("http://two").url.startswith("http://two/")


def test_empty_means_unset(environment: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        environment.setenv(name, "")
    environment.setenv("USERNAME", "grace")
    connection = Settings().connection()
    assert (connection.username, connection.password) == ("grace", None)
    assert Settings().torc_program() is None


def test_password_is_in_no_representation(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("TORC_PASSWORD", "hunter2")
    settings = Settings()
    assert "hunter2" not in f"{settings!r} {settings.connection()!r} {settings.model_dump_json()}"


@pytest.mark.parametrize(
    ("content", "password"),
    [("secret\n", "secret"), ("secret\r\n", "secret"), (" sp ace \n", " sp ace "), ("pä", "pä")],
)
def test_password_file(
    environment: pytest.MonkeyPatch, tmp_path: Path, content: str, password: str
) -> None:
    set_password_file(environment, tmp_path, content.encode(), 0o600)
    assert Settings().connection().password == password


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o610])
def test_password_file_of_others(
    environment: pytest.MonkeyPatch, tmp_path: Path, mode: int
) -> None:
    file = set_password_file(environment, tmp_path, b"secret", mode)
    with pytest.raises(InvalidInput, match="chmod 600") as refusal:
        Settings().connection()
    assert str(file) in str(refusal.value)
    assert "secret" not in str(refusal.value)


def test_password_file_that_is_no_text(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    set_password_file(environment, tmp_path, b"\xff\xfe", 0o600)
    with pytest.raises(InvalidInput, match="cannot be read"):
        Settings().connection()


def test_password_file_that_is_missing(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.setenv("TORC_PASSWORD_FILE", str(tmp_path / "missing"))
    with pytest.raises(InvalidInput, match="missing cannot be read: No such file"):
        Settings().connection()


def test_password_itself_comes_before_its_file(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    set_password_file(environment, tmp_path, b"of the file", 0o644)
    environment.setenv("TORC_PASSWORD", "itself")
    assert Settings().connection().password == "itself"  # noqa: S105 - of nobody


@pytest.mark.parametrize(
    ("name", "value"),
    [("TORC_TIMEOUT", "soon"), ("TORC_TIMEOUT", "0"), ("TORC_VERIFY_TLS", "perhaps")],
)
def test_bad_value_is_named(environment: pytest.MonkeyPatch, name: str, value: str) -> None:
    environment.setenv(name, value)
    with pytest.raises(ValidationError) as refusal:
        Settings()
    assert [problem["loc"] for problem in refusal.value.errors()] == [(name,)]


def test_bad_url(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("TORC_API_URL", "ftp://torc")
    with pytest.raises(InvalidInput, match="ftp://torc"):
        Settings().connection()


@pytest.mark.parametrize("name", ["torc", "bin/torc", "./bin/torc", "~/bin/torc"])
def test_torc_is_found_by_its_name_and_by_its_path(
    environment: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    torc = a_program(tmp_path, 0o755)
    environment.chdir(tmp_path)
    environment.setenv("HOME", str(tmp_path))
    environment.setenv("PATH", str(torc.parent))
    environment.setenv("TORC_WATCHD_LOCAL_RUNNER", name)
    assert Settings().torc_program() == torc


@pytest.mark.parametrize("name", ["torc", "bin/torc", "bin", "bin/missing", "missing"])
def test_torc_that_cannot_be_run(
    environment: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    torc = a_program(tmp_path, 0o644)
    environment.chdir(tmp_path)
    environment.setenv("PATH", str(torc.parent))
    environment.setenv("TORC_WATCHD_LOCAL_RUNNER", name)
    with pytest.raises(InvalidInput, match=f"TORC_WATCHD_LOCAL_RUNNER is '{name}'"):
        Settings().torc_program()


def a_program(folder: Path, mode: int) -> Path:
    torc = folder / "bin" / "torc"
    torc.parent.mkdir()
    torc.touch(mode)
    return torc


def set_password_file(
    environment: pytest.MonkeyPatch, folder: Path, content: bytes, mode: int
) -> Path:
    file = folder / "password"
    file.write_bytes(content)
    file.chmod(mode)
    environment.setenv("TORC_PASSWORD_FILE", str(file))
    return file
