"""The service's files: rendering, and detection of edits."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from torc_watch.host.package_data import data_folder
from torc_watch.login_node import unit_file
from torc_watch.login_node.unit_file import FileState, compare, sign

TEMPLATES = data_folder("systemd")
DROP_INS = f"{unit_file.NAME}.d"


@pytest.mark.parametrize(
    ("word", "written"),
    [
        ("/usr/bin/torc-watchd", '"/usr/bin/torc-watchd"'),
        ("/two words/x", '"/two words/x"'),
        ("100%", '"100%%"'),
        ('a"b\\c', '"a\\"b\\\\c"'),
        ("two\nlines", '"two\\nlines"'),
    ],
)
def test_word_is_quoted(word: str, written: str) -> None:
    assert unit_file.quote(word) == written


def test_unit_starts_the_given_command() -> None:
    template = (TEMPLATES / unit_file.NAME).read_text()

    text = unit_file.render_unit(template, ("/opt/my tools/python", "-m", "torc_watch"), "1.0")

    assert 'ExecStart="/opt/my tools/python" "-m" "torc_watch" run\n' in text


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (None, FileState.ABSENT),
        (sign("new\n"), FileState.CURRENT),
        (sign("old\n"), FileState.OUTDATED),
        (sign("old\n") + "Nice=19\n", FileState.EDITED),
        ("other\n", FileState.EDITED),
        ("", FileState.EDITED),
    ],
)
def test_edits_of_the_installed_file_are_detected(found: str | None, expected: FileState) -> None:
    assert compare(found, sign("new\n")) is expected


def test_only_relevant_settings_are_reported_missing() -> None:
    environment = {
        "PATH": "/opt/slurm/bin:/bin",
        "HOME": "/home/ada",
        "TORC_API_URL": "http://torc",
        "TORC_PASSWORD": "s3cret",
        "TORC_JOB_ID": "7",
        "TORC_WATCHD_HOME": "/scratch/ada",
        "TORC_WATCHD_NOTIFY": "slack://s3cret",
        "SLURM_JOB_ID": "42",
        "SLURM_CONF": "/etc/slurm.conf",
        "https_proxy": "http://ada:s3cret@proxy",
        "NO_PROXY": "localhost",
    }
    services = {"PATH": "/bin", "SLURM_CONF": "/etc/slurm.conf"}

    missing = unit_file.missing_settings(environment, services)

    assert list(missing) == ["NO_PROXY", "PATH", "TORC_API_URL", "TORC_WATCHD_HOME"]
    secrets = ["TORC_PASSWORD", "TORC_WATCHD_NOTIFY", "https_proxy"]
    assert unit_file.secret_names(environment) == secrets


def _analyze(*words: str | Path, private: Path) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    if program is None:
        reason = "systemd-analyze is missing: run scripts/setup-systemd"
        if "systemd" in os.environ.get("TORC_WATCH_REQUIRE", "").split(","):
            pytest.fail(reason)
        pytest.skip(reason)
    private.chmod(0o700)
    return subprocess.run(
        [program, "--user", *words],
        env=os.environ | {"XDG_RUNTIME_DIR": str(private), "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def rendered(tmp_path: Path) -> Path:
    """The installed unit, for a program path with all characters that need quoting."""
    program = tmp_path / "100% of $my tools" / "torc-watchd"
    program.parent.mkdir()
    program.symlink_to("/bin/true")
    path = tmp_path / unit_file.NAME
    template = (TEMPLATES / unit_file.NAME).read_text()
    path.write_text(sign(unit_file.render_unit(template, (str(program),), "1.0")))
    return path


@pytest.mark.parametrize(
    ("drop_in", "worst"),
    [(None, 66), ("userns.conf", 26), ("local.conf", 100), ("environment.conf", 66)],
)
def test_systemd_accepts_the_unit_without_warnings(
    rendered: Path, tmp_path: Path, drop_in: str | None, worst: int
) -> None:
    if drop_in is not None:
        folder = rendered.with_name(DROP_INS)
        folder.mkdir()
        ours = TEMPLATES / DROP_INS / drop_in
        odd = {"TORC_API_URL": 'http://a"b\\c%n$d', "PATH": "/two words:/bin"}
        text = ours.read_text() if ours.exists() else unit_file.environment_drop_in(odd)
        (folder / drop_in).write_text(text)

    verified = _analyze("verify", rendered, private=tmp_path)
    exposure = _analyze(
        "security", "--offline=yes", f"--threshold={worst}", rendered, private=tmp_path
    )

    assert (verified.returncode, verified.stderr) == (0, "")
    assert exposure.returncode == 0, exposure.stdout.splitlines()[-1]
