"""Values of the environment and the files: precedence, origins, and what is refused."""

from itertools import chain
from pathlib import Path

import pytest

from torc_watch.app.foreground_watch import request_for
from torc_watch.config.settings import Settings, load_settings, origins
from torc_watch.config.sources import VARIABLES, state_folder, unknown_variables
from torc_watch.core.errors import ConfigurationAway, InvalidInput
from torc_watch.core.news import NewsKind
from torc_watch.core.recovery_round import RecoverySettings
from torc_watch.core.scheduler_choice import SchedulerChoice
from torc_watch.core.sizing_policy import SizingPolicy
from torc_watch.daemon.commands import WatchedWorkflow, WatchOptions, WatchState
from torc_watch.engine.messages import WatchRequest


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An empty environment of the user ada, whose files are in ``tmp_path``."""
    for name in chain(*VARIABLES.values()):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("USER", "ada")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "user"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", f"{tmp_path / 'site'}:{tmp_path / 'vendor'}")
    return monkeypatch


def configure(folder: Path, text: str, level: str = "user") -> Path:
    file = folder / level / "torc-watchd" / "config.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_default_settings() -> None:
    connection = Settings().connection()
    assert connection.url == "http://localhost:8080/torc-service/v1"
    assert (connection.username, connection.password) == ("ada", None)
    assert connection.verify_tls
    assert Settings().home.name == "torc-watchd"
    assert Settings().torc_program() is None


def test_all_settings_are_read(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.setenv("TORC_API_URL", "https://torc.example.org")
    environment.setenv("TORC_PASSWORD", "secret")
    environment.setenv("TORC_CA_FILE", str(tmp_path / "ca.pem"))
    environment.setenv("TORC_VERIFY_TLS", "false")
    environment.setenv("TORC_TIMEOUT", "2.5")
    connection = Settings().connection()
    assert connection.url == "https://torc.example.org/torc-service/v1"
    assert connection.password == "secret"  # noqa: S105 - a made-up one
    assert connection.ca_file == tmp_path / "ca.pem"
    assert connection.timeout == 2.5
    assert not connection.verify_tls


def test_url_of_the_command_line_overrides(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("TORC_API_URL", "http://one")
    assert Settings().connection("http://two").url.startswith("http://two/")


def test_empty_variable_counts_as_unset(environment: pytest.MonkeyPatch) -> None:
    for name in chain(*VARIABLES.values()):
        environment.setenv(name, "")
    environment.setenv("USERNAME", "grace")
    connection = Settings().connection()
    assert (connection.username, connection.password) == ("grace", None)
    assert Settings().torc_program() is None


def test_password_is_never_shown(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("TORC_PASSWORD", "hunter2")
    settings = Settings()
    assert "hunter2" not in f"{settings!r} {settings.connection()!r} {settings.model_dump_json()}"


@pytest.mark.parametrize(
    ("content", "password"),
    [("secret\n", "secret"), ("secret\r\n", "secret"), (" sp ace \n", " sp ace "), ("pä", "pä")],
)
def test_password_is_read_from_its_file(
    environment: pytest.MonkeyPatch, tmp_path: Path, content: str, password: str
) -> None:
    set_password_file(environment, tmp_path, content.encode(), 0o600)
    assert Settings().connection().password == password


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o610])
def test_password_file_that_others_can_read_is_refused(
    environment: pytest.MonkeyPatch, tmp_path: Path, mode: int
) -> None:
    file = set_password_file(environment, tmp_path, b"secret", mode)
    with pytest.raises(InvalidInput, match="chmod 600") as refusal:
        Settings().connection()
    assert str(file) in str(refusal.value)
    assert "secret" not in str(refusal.value)


def test_password_file_that_is_not_text_is_refused(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    set_password_file(environment, tmp_path, b"\xff\xfe", 0o600)
    with pytest.raises(InvalidInput, match="cannot be read"):
        Settings().connection()


def test_missing_password_file_is_refused(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.setenv("TORC_PASSWORD_FILE", str(tmp_path / "missing"))
    with pytest.raises(InvalidInput, match="missing cannot be read: No such file"):
        Settings().connection()


def test_password_overrides_its_file(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    set_password_file(environment, tmp_path, b"of the file", 0o644)
    environment.setenv("TORC_PASSWORD", "itself")
    assert Settings().connection().password == "itself"  # noqa: S105 - a made-up one


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("TORC_TIMEOUT", "soon", "valid number"),
        ("TORC_TIMEOUT", "0", "greater than 0"),
        ("TORC_VERIFY_TLS", "perhaps", "valid boolean"),
        ("TORC_TLS_INSECURE", "yes and no", "valid boolean"),
        ("TORC_WATCHD_MAX_RETRIES", "-1", "greater than or equal to 0"),
        ("TORC_WATCHD_MEMORY_MULTIPLIER", "1", "greater than 1"),
        ("TORC_WATCHD_RUNTIME_MULTIPLIER", "inf", "finite number"),
        ("TORC_WATCHD_RECOVERY_HOOK", "'", "No closing quotation"),
    ],
)
def test_invalid_value_in_the_environment_is_named(
    environment: pytest.MonkeyPatch, name: str, value: str, expected: str
) -> None:
    environment.setenv(name, value)
    with pytest.raises(InvalidInput, match=f"^{name} in the environment: .*{expected}"):
        load_settings()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("max_retries = 'many'", "max_retries in {}: Input should be a valid integer"),
        ("poll_interval = 0", "poll_interval in {}: Input should be greater than 0"),
        ("max_retries = true", "{}: max_retries cannot be true or false."),
        ("recovery_hook = []", "recovery_hook in {}: The command is empty"),
        ("recovery_hook = 3", "recovery_hook in {}: Input should be a valid tuple"),
        ("max_node_hours = 0", "max_node_hours in {}: Input should be greater than 0"),
        ("max_allocations = 0", "max_allocations in {}: Input should be greater than or equal"),
        ("partition = 'a,b'", "partition in {}: It must be the name of one partition"),
        ("walltime = '25:61:00'", "walltime in {}: '25:61:00' is not a walltime, for its 61 min"),
        ("walltime = 'UNLIMITED'", "walltime in {}: Input should be a valid integer"),
        ("max_retrys = 3", "{}: there is no setting 'max_retrys'. Did you mean 'max_retries'?"),
        ("MAX_RETRIES = 3", "{}: there is no setting 'MAX_RETRIES'. Did you mean 'max_retries'?"),
        ("sunshine = 3", "{}: there is no setting 'sunshine'. Settings: api_url, username, "),
        ("[server]\nurl = 'x'", "{}: there is no table [server]. Settings stand above all tables"),
        ("password = 'secret'", "{} contains a password. Write it into a file that only you can"),
        ("home = 'state'", "{}: home must be a path that begins with / or ~"),
        ("ca_file = 3", "{}: ca_file must be a path that begins with / or ~"),
        ("ca_file = '~unknown-user/x'", "ca_file in {}: There is no home for ~unknown-user"),
        ("max_retries = ", "{} is not valid TOML: Invalid value (at end of document)"),
        ("user\xe9", "{} is not valid TOML: "),
    ],
)
def test_invalid_file_is_refused(tmp_path: Path, line: str, expected: str) -> None:
    file = configure(tmp_path, "")
    file.write_text(line, encoding="latin-1")
    with pytest.raises(InvalidInput) as refusal:
        load_settings()
    assert str(refusal.value).startswith(expected.format(file))
    assert "secret" not in str(refusal.value)


def test_home_of_an_unknown_user_is_refused(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("TORC_WATCHD_HOME", "~unknown-user/state")
    for read in (state_folder, load_settings):
        with pytest.raises(InvalidInput, match=r"TORC_WATCHD_HOME in the .* no home for ~unknown"):
            read()


def test_every_invalid_value_is_named(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = configure(tmp_path, "max_retries = 'many'")
    environment.setenv("TORC_TIMEOUT", "soon")
    with pytest.raises(InvalidInput) as refusal:
        load_settings()
    places = [line.split(":")[0] for line in str(refusal.value).splitlines()]
    assert places == ["TORC_TIMEOUT in the environment", f"max_retries in {file}"]


def test_unreadable_file_is_reported(tmp_path: Path) -> None:
    configure(tmp_path, "").unlink()
    (tmp_path / "user/torc-watchd/config.toml").mkdir()
    with pytest.raises(ConfigurationAway, match="cannot be read: Is a directory"):
        load_settings()


def test_invalid_url_is_refused(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("TORC_API_URL", "ftp://torc")
    with pytest.raises(InvalidInput, match="ftp://torc"):
        Settings().connection()


@pytest.mark.parametrize("name", ["torc", "bin/torc", "./bin/torc", "~/bin/torc"])
def test_torc_is_found_by_name_and_by_path(
    environment: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    torc = make_program(tmp_path, 0o755)
    environment.chdir(tmp_path)
    environment.setenv("HOME", str(tmp_path))
    environment.setenv("PATH", str(torc.parent))
    environment.setenv("TORC_WATCHD_LOCAL_RUNNER", name)
    assert Settings().torc_program() == torc


@pytest.mark.parametrize("name", ["torc", "bin/torc", "bin", "bin/missing", "missing"])
def test_torc_that_cannot_be_run_is_refused(
    environment: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    torc = make_program(tmp_path, 0o644)
    environment.chdir(tmp_path)
    environment.setenv("PATH", str(torc.parent))
    environment.setenv("TORC_WATCHD_LOCAL_RUNNER", name)
    with pytest.raises(InvalidInput, match=f"local_runner is '{name}', which is not a program"):
        Settings().torc_program()


def make_program(folder: Path, mode: int) -> Path:
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


def test_environment_overrides_the_users_file_which_overrides_the_sites(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for level, retries in (("vendor", 1), ("site", 2), ("user", 3)):
        file = configure(tmp_path, f"max_retries = {retries}", level)
        assert origins()["max_retries"] == str(file)
        assert load_settings().max_retries == retries
    environment.setenv("TORC_WATCHD_MAX_RETRIES", "4")
    assert origins()["max_retries"] == "TORC_WATCHD_MAX_RETRIES in the environment"
    assert load_settings().max_retries == 4
    assert load_settings().with_options(WatchOptions(max_retries=5)).max_retries == 5


def test_files_of_user_and_site_are_merged(tmp_path: Path) -> None:
    configure(tmp_path, "api_url = 'http://site'\ntimeout = 5", "site")
    configure(tmp_path, "timeout = 7\nusername = 'grace'")
    settings = load_settings()
    assert (settings.api_url, settings.timeout) == ("http://site", 7)
    assert settings.user_name() == "grace"  # although a shell sets USER


def test_home_is_expanded_in_paths_of_a_file(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment.setenv("HOME", str(tmp_path))
    configure(tmp_path, "home = '~/state'\noutput_dir = '~/scratch'")
    assert load_settings().home == state_folder() == tmp_path / "state"
    assert load_settings().output_dir == tmp_path / "scratch"


@pytest.mark.parametrize(
    ("name", "text", "key", "value"),
    [
        ("TORC_TLS_CA_CERT", "/ca.pem", "ca_file", Path("/ca.pem")),
        ("TORC_TLS_INSECURE", "true", "verify_tls", False),
        ("TORC_TLS_INSECURE", "false", "verify_tls", True),
        ("TORC_WATCHD_AUTO_RECOVER", "true", "auto_recover", True),
        ("TORC_WATCHD_RETRY_UNKNOWN", "0", "retry_unknown", False),
        ("TORC_WATCHD_RECOVERY_HOOK", "notify 'a b'", "recovery_hook", ("notify", "a b")),
        ("TORC_WATCHD_SCHEDULER", "slurm", "scheduler", SchedulerChoice.SLURM),
        ("TORC_WATCHD_AUTO_SCHEDULE", "false", "auto_schedule", False),
        ("TORC_WATCHD_EXCLUDE_NODES", "false", "exclude_nodes", False),
        ("TORC_WATCHD_POLICY", "fixed", "policy", SizingPolicy.FIXED),
        ("TORC_WATCHD_CPU_MULTIPLIER", "1.5", "cpu_multiplier", 1.5),
        ("TORC_WATCHD_IN_PLACE", "false", "in_place", False),
        ("TORC_WATCHD_MAX_ALLOCATIONS", "7", "max_allocations", 7),
        ("TORC_WATCHD_MAX_NODE_HOURS", "12.5", "max_node_hours", 12.5),
        ("TORC_WATCHD_PARTITION", "short", "partition", "short"),
        ("TORC_WATCHD_WALLTIME", "1-12:00:00", "walltime", 129_600),
        ("TORC_WATCHD_WALLTIME", "90", "walltime", 5400),  # minutes, as for Slurm
    ],
)
def test_variable_sets_a_setting(
    environment: pytest.MonkeyPatch, name: str, text: str, key: str, value: object
) -> None:
    environment.setenv(name, text)
    assert getattr(load_settings(), key) == value


def test_any_variable_overrides_a_file(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The second of several variables of one setting also does."""
    configure(tmp_path, "ca_file = '/file.pem'")
    environment.setenv("TORC_TLS_CA_CERT", "/variable.pem")
    assert load_settings().ca_file == Path("/variable.pem")
    assert origins()["ca_file"] == "TORC_TLS_CA_CERT in the environment"


@pytest.mark.parametrize("name", ["max_retries", "torc_watchd_max_retries", "MAX_RETRIES"])
def test_other_spellings_are_not_variables(environment: pytest.MonkeyPatch, name: str) -> None:
    environment.setenv(name, "7")
    assert load_settings().max_retries == 3
    assert "max_retries" not in origins()


def test_hook_in_the_environment_is_split_as_a_shell_does(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("TORC_WATCHD_RECOVERY_HOOK", '["notify","me"]')
    assert load_settings().recovery_hook == ("[notify,me]",)


def test_keyword_arguments_override_everything(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    configure(tmp_path, "ca_file = '/file.pem'")
    environment.setenv("TORC_TLS_CA_CERT", "/variable.pem")
    assert Settings(ca_file=Path("/argument.pem")).ca_file == Path("/argument.pem")


def test_first_variable_of_a_setting_overrides_the_others(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("TORC_TLS_INSECURE", "true")
    environment.setenv("TORC_VERIFY_TLS", "true")
    assert load_settings().verify_tls


def test_every_setting_has_its_variables() -> None:
    assert list(VARIABLES) == list(Settings.model_fields)


@pytest.mark.parametrize("line", ["recovery_hook = 'notify me'", "recovery_hook = ['notify','me']"])
@pytest.mark.parametrize(
    ("options", "hook", "retries"),
    [
        (WatchOptions(), ("notify", "me"), True),
        (WatchOptions(retry_unknown=False), None, False),
        (WatchOptions(retry_unknown=True), ("notify", "me"), True),
        (WatchOptions(retry_unknown=False, recovery_hook=("other",)), ("other",), True),
    ],
)
def test_hook_implies_that_unknown_failures_are_retried(
    tmp_path: Path, line: str, options: WatchOptions, hook: tuple[str, ...] | None, retries: bool
) -> None:
    configure(tmp_path, f"{line}\nretry_unknown = false")
    chosen = load_settings().with_options(options)
    assert (chosen.recovery_hook, chosen.recovery().retry_unknown) == (hook, retries)


_SWITCHES = [name for name, field in Settings.model_fields.items() if field.annotation is bool]


@pytest.mark.parametrize("name", _SWITCHES)
def test_every_switch_can_be_set_in_a_file(tmp_path: Path, name: str) -> None:
    other = not Settings.model_fields[name].default
    configure(tmp_path, f"{name} = {str(other).lower()}")
    assert getattr(load_settings(), name) is other


def test_examples_in_the_docs_are_valid(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.setenv("HOME", str(tmp_path))
    root = Path(__file__).parents[2]
    text = "".join((root / page).read_text() for page in ("docs/news.md", "README.md"))
    for example in text.split("```toml\n")[1:]:
        configure(tmp_path, example.partition("```")[0]).chmod(0o600)
        load_settings()
    settings = load_settings()
    assert (settings.auto_recover, settings.max_retries) == (True, 5)
    assert settings.password_file == tmp_path / ".torc-password"


def test_request_has_the_values_of_settings_and_options(tmp_path: Path) -> None:
    configure(tmp_path, f"home = '{tmp_path}/state'\nmax_retries = 5\npoll_interval = 300")
    settings = load_settings()
    plain = request_for(watched_workflow(WatchOptions()), settings)
    assert plain == WatchRequest(
        workflow_id=42,
        recovery=None,
        poll_interval=300,
        show_job_counts=True,
        output_dir=tmp_path / "state/output",
    )
    chosen = WatchOptions(auto_recover=True, memory_multiplier=2.0, output_dir="/scratch/output")
    request = request_for(watched_workflow(chosen), settings)
    fixed = RecoverySettings(max_retries=5, memory_multiplier=2.0, sizing=SizingPolicy.FIXED)
    assert request.recovery == fixed
    assert request.output_dir == Path("/scratch/output")


@pytest.mark.parametrize(
    ("configured", "options", "sizing"),
    [
        ("", WatchOptions(), "evidence"),
        ("", WatchOptions(memory_multiplier=1.5), "fixed"),
        ("", WatchOptions(runtime_multiplier=2.0), "fixed"),
        ("", WatchOptions(cpu_multiplier=2.0), "evidence"),
        ("memory_multiplier = 1.5", WatchOptions(), "fixed"),
        ("runtime_multiplier = 2", WatchOptions(policy=SizingPolicy.EVIDENCE), "evidence"),
        ("policy = 'evidence'\nmemory_multiplier = 2", WatchOptions(), "evidence"),
        ("policy = 'evidence'", WatchOptions(memory_multiplier=2.0), "fixed"),
        ("policy = 'fixed'", WatchOptions(), "fixed"),
        (
            "policy = 'fixed'",
            WatchOptions(policy=SizingPolicy.EVIDENCE, memory_multiplier=2.0),
            "evidence",
        ),
    ],
)
def test_multiplier_that_is_given_is_used_unless_the_policy_is_given_too(
    tmp_path: Path, configured: str, options: WatchOptions, sizing: str
) -> None:
    configure(tmp_path, configured)
    recovery = load_settings().with_options(options).recovery()
    assert recovery.sizing == sizing
    assert recovery.cpu_multiplier == options.cpu_multiplier


def test_multiplier_in_the_environment_is_given_too(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("TORC_WATCHD_MEMORY_MULTIPLIER", "1.5")
    assert load_settings().recovery().sizing is SizingPolicy.FIXED


def watched_workflow(options: WatchOptions) -> WatchedWorkflow:
    return WatchedWorkflow(
        server="http://a", workflow_id=42, options=options, state=WatchState.WATCHED
    )


def test_user_without_a_home_is_told_what_to_set(environment: pytest.MonkeyPatch) -> None:
    for variable in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "TORC_WATCHD_HOME"):
        environment.delenv(variable, raising=False)
    environment.setattr("pwd.getpwuid", _unknown_user)
    for read in (state_folder, load_settings):
        with pytest.raises(InvalidInput, match=r"HOME is not set, .* for user [0-9]+: set HOME"):
            read()


def _unknown_user(number: int) -> None:
    raise KeyError(number)


def test_variables_that_set_nothing_are_found() -> None:
    environment = {
        "TORC_WATCHD_MAX_RETRYS": "3",
        "TORC_WATCHD_NUMBER_OF_MOONS": "blue",
        "TORC_WATCHD_HOME": "/home",
        "TORC_WATCHD_PAUSE": "60",
        "TORC_WATCHD": "/opt/torc-watchd",
        "TORC_API_KEY": "of another program",
    }

    assert unknown_variables(environment) == {
        "TORC_WATCHD_NUMBER_OF_MOONS": "",
        "TORC_WATCHD_MAX_RETRYS": "TORC_WATCHD_MAX_RETRIES",
    }


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (f"max_retries = {'9' * 6000}", "a number has too many digits"),
        (f"max_retries = {'[' * 6000}", "it is too deep"),
    ],
)
def test_no_advice_of_python_is_passed_on(tmp_path: Path, text: str, what: str) -> None:
    file = configure(tmp_path, text)

    for read in (load_settings, state_folder):
        with pytest.raises(InvalidInput) as refusal:
            read()
        assert str(refusal.value) == f"{file} cannot be used: {what}."


NEWS = """
notify = ["slack://TOKEN/B/C", "mailto://ada:TOKEN@example.org"]
notify_mail = "ada grace@example.org"
notify_command = "/bin/tell 'a b'"
notify_on = ["handed_over", "success"]
notify_per_hour = 3
notify_digest = 900
quiet_hours = "22:00-7:00"
metrics_file = "/run/torc.prom"
"""


def test_settings_of_news(tmp_path: Path) -> None:
    configure(tmp_path, NEWS).chmod(0o600)
    settings = load_settings()

    assert settings.notify[0].get_secret_value() == "slack://TOKEN/B/C"
    assert settings.notify_mail == ("ada", "grace@example.org")
    assert settings.notify_command == ("/bin/tell", "a b")
    assert settings.notify_on == (NewsKind.HANDED_OVER, NewsKind.SUCCESS)
    limits = settings.news_limits()
    assert (str(limits.quiet_hours), limits.per_hour) == ("22:00-07:00", 3)
    assert limits.digest.total_seconds() == 900
    assert "TOKEN" not in f"{settings!r} {settings.model_dump_json()}"


def test_news_of_the_environment(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("TORC_WATCHD_NOTIFY", "slack://a json://b")
    environment.setenv("TORC_WATCHD_NOTIFY_ON", "success stalled")
    settings = load_settings()
    assert [url.get_secret_value() for url in settings.notify] == ["slack://a", "json://b"]
    assert settings.notify_on == (NewsKind.SUCCESS, NewsKind.STALLED)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_urls_of_news_in_a_file_that_others_can_read(tmp_path: Path, mode: int) -> None:
    file = configure(tmp_path, NEWS)
    file.chmod(mode)
    with pytest.raises(InvalidInput, match="chmod 600") as refusal:
        load_settings()
    assert str(file) in str(refusal.value)
    assert "TOKEN" not in str(refusal.value)

    configure(tmp_path, "notify_mail = 'ada'")
    assert load_settings().notify_mail == ("ada",)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("notify = ['TOKEN']", "must be a URL of apprise"),
        ("notify = ['slack://TOKEN x']", "must be a URL of apprise"),
        ("notify = 3", "should be a valid tuple"),
        ("notify_mail = '-oQ/TOKEN'", "must be a mail address"),
        ("notify_mail = ['a,b']", "must be a mail address"),
        ("notify_on = ['weather']", "should be 'handed_over'"),
        ("quiet_hours = 'at night'", "are no quiet hours"),
        ("notify_per_hour = 0", "greater than or equal to 1"),
        ("notify_digest = 0", "greater than 0"),
        ("metrics_file = 'torc.prom'", "must be a path that begins with /"),
    ],
)
def test_what_is_wrong_about_news(tmp_path: Path, line: str, expected: str) -> None:
    configure(tmp_path, line).chmod(0o600)
    with pytest.raises(InvalidInput, match=expected) as refusal:
        load_settings()
    assert "TOKEN" not in str(refusal.value)
