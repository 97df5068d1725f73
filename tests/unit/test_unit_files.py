"""The service's files: what is written, and what is recognised."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from torc_watch.host.package_data import data_folder
from torc_watch.login_node import unit_file
from torc_watch.login_node.unit_file import Found, compare, signed

TEMPLATES = resource("systemd")
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
def test_words_are_quoted(word: str, written: str) -> None:
    assert unit_file.quoted(word) == written


def test_the_unit_starts_what_is_asked_for() -> None:
    template = (TEMPLATES / unit_file.NAME).read_text()

    text = unit_file.rendered(template, ("/opt/my tools/python", "-m", "torc_watch"), "1.0")

    assert 'ExecStart="/opt/my tools/python" "-m" "torc_watch" run\n' in text


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (None, Found.ABSENT),
        (signed("new\n"), Found.SAME),
        (signed("old\n"), Found.OURS),
        (signed("old\n") + "Nice=19\n", Found.EDITED),
        ("somebody's\n", Found.EDITED),
        ("", Found.EDITED),
    ],
)
def test_what_is_there_already(found: str | None, expected: Found) -> None:
    assert compare(found, signed("new\n")) is expected


def test_only_what_matters_of_the_environment_is_of_interest() -> None:
    environment = {
        "PATH": "/opt/slurm/bin:/bin",
        "HOME": "/home/ada",
        "TORC_API_URL": "http://torc",
        "TORC_PASSWORD": "s3cret",
        "TORC_JOB_ID": "7",
        "TORC_WATCHD_HOME": "/scratch/ada",
        "SLURM_JOB_ID": "42",
        "SLURM_CONF": "/etc/slurm.conf",
        "https_proxy": "http://ada:s3cret@proxy",
        "NO_PROXY": "localhost",
    }
    services = {"PATH": "/bin", "SLURM_CONF": "/etc/slurm.conf"}

    unseen = unit_file.missing_settings(environment, services)

    assert list(unseen) == ["NO_PROXY", "PATH", "TORC_API_URL", "TORC_WATCHD_HOME"]
    assert unit_file.secret_names(environment) == ["TORC_PASSWORD", "https_proxy"]


def _analyze(*words: str | Path, private: Path) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    if program is None:
        missing = "systemd-analyze is not here: run scripts/setup-systemd"
        if "systemd" in os.environ.get("TORC_WATCH_REQUIRE", "").split(","):
            pytest.fail(missing)
        pytest.skip(missing)
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
    """The unit as it is installed, of a program whose path has all that systemd takes."""
    program = tmp_path / "100% of $my tools" / "torc-watchd"
    program.parent.mkdir()
    program.symlink_to("/bin/true")
    path = tmp_path / unit_file.NAME
    template = (TEMPLATES / unit_file.NAME).read_text()
    path.write_text(signed(unit_file.rendered(template, (str(program),), "1.0")))
    return path


@pytest.mark.parametrize(
    ("drop_in", "worst"),
    [(None, 66), ("userns.conf", 26), ("local.conf", 100), ("environment.conf", 66)],
)
def test_systemd_takes_the_unit_without_a_word(
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
