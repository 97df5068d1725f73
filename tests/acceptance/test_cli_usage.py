"""What the command line refuses, and how it says so."""

import shlex
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from torc_watch.cli import app
from torc_watch.cli.exit_status import EXIT_STATUSES

if TYPE_CHECKING:
    from tests.acceptance.conftest import Site

_ROOT = Path(__file__).parents[2]
COMMANDS = [
    *("watch", "plan", "recover", "workflows", "submit", "demo", "sandbox serve"),
    *("add", "set", "pause", "resume", "remove"),
    *("list", "status", "history", "logs", "config show"),
    *("submit-slurm", "slurm plan", "slurm regenerate"),
    *("hpc detect", "hpc list", "hpc show", "hpc partitions", "hpc generate"),
]

# Words of a command, and what its message must say.
REFUSED = {
    "watch 1 --memory-multiplier 1": "'--memory-multiplier': 1 would not raise anything",
    "watch 1 --memory-multiplier nan": "give a number above 1, such as 1.5",
    "watch 1 --runtime-multiplier inf": "give a number above 1, such as 1.5",
    "watch 1 --runtime-multiplier 0.5": "'--runtime-multiplier': 0.5 would not raise anything",
    "watch 1 --runtime-multiplier twice": "'--runtime-multiplier'",
    "watch 1 --policy evidence --memory-multiplier 2": "'--policy': evidence uses no multiplier",
    "recover 1 --policy evidence --runtime-multiplier 2": "'--policy': evidence uses no multiplier",
    "plan 1 --memory-multiplier -2": "'--memory-multiplier': -2 would not raise anything",
    "recover 1 --runtime-multiplier 1": "'--runtime-multiplier': 1 would not raise anything",
    "watch 1 --max-retries -1": "'--max-retries'",
    "watch 1 --max-retries 1.5": "'--max-retries'",
    "watch 1 --poll-interval 0": "'--poll-interval' / '-p': 0 is not a valid interval",
    "watch 1 -p nan": "give a number above 0",
    "watch 1 --recovery-hook '\"'": "--recovery-hook: '\"' is not a command",
    "watch 1 --recovery-hook ''": "--recovery-hook: The command is empty.",
    "watch": "Missing argument",
    "watch mine": "'mine' is not the ID of a workflow: list those with torc-watchd workflows",
    "watch 0": "'0' is not the ID of a workflow",
    "pause 1 -1": "No such option: -1",
    "pause 1 1.5": "'1.5' is not the ID of a workflow",
    "watch 1 --nonsense": "No such option: --nonsense",
    "watsch 1": "No such command 'watsch'",
    "watch 1 --url ftp://host": "'ftp://host' is not the URL of a server. Write it as http://",
    "plan 1 --url http://user:secret@host": "set them separately",
    "submit missing.yaml": "There is no file missing.yaml: give a workflow specification.",
    "submit missing": "There is no file missing: give a workflow specification.",
    "submit folder": "folder is a folder: give a workflow specification.",
    "submit full/file": "full/file: specifications are read from .yaml, .yml, .json, .json5, .kdl",
    "submit full/file/a.yaml": "full/file/a.yaml cannot be read: Not a directory.",
    "submit cycle.yaml": "these jobs depend on each other in a cycle: a -> b -> a",
    "submit unknown.yaml": "jobs[0] (a).depends_on: there is no job 'nobody'",
    "submit memory.yaml": "'8 gigs' is not a memory size: write a whole number and k, m, g or t",
    "submit syntax.yaml": "syntax.yaml: line 2",
    "submit good.yaml --cpus 0": "'--cpus'",
    "slurm plan good.yaml --walltime 25:61:00": "'25:61:00' is not a walltime, for its 61 minutes",
    "slurm plan good.yaml --profile kestrell": "There is no HPC profile 'kestrell'",
    "slurm plan good.yaml --profile kestrel --partition shrt": "did you mean short?",
    "slurm plan missing.yaml": "There is no file missing.yaml: give a workflow specification.",
    "slurm plan folder": "folder is a folder",
    "slurm regenerate mine": "'mine' is not the ID of a workflow",
    "slurm regenerate good.yaml": "Create one with: torc-watchd submit-slurm good.yaml",
    "submit-slurm 42": "There is no file 42: give a specification, not a workflow's ID.",
    "submit-slurm cycle.yaml": "these jobs depend on each other in a cycle: a -> b -> a",
    "demo --scenario sunshine": "'oom', 'timeout', 'unknown', 'mixed', 'hopeless', 'manual'",
    "demo --directory full": "is not empty: name a new one.",
    "demo --directory good.yaml": "cannot be used",
    "sandbox serve --port 70000": "'--port'",
    "sandbox serve --api 0.13": "'--api'",
    "sandbox serve --unblock-interval 0": "give a number above 0",
}

FILES = {
    "good.yaml": "name: good\njobs: [{name: a, command: 'true'}]",
    "cycle.yaml": """
        name: cycle
        jobs:
          - {name: a, command: "true", depends_on: [b]}
          - {name: b, command: "true", depends_on: [a]}
        """,
    "unknown.yaml": "name: u\njobs: [{name: a, command: 'true', depends_on: [nobody]}]",
    "memory.yaml": """
        name: memory
        resource_requirements: [{name: m, num_cpus: 1, memory: 8 gigs, runtime: PT1M}]
        jobs: [{name: a, command: "true", resource_requirements: m}]
        """,
    "syntax.yaml": "name: [",
    "full/file": "in use",
}


@pytest.fixture
def furnished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TORC_WATCHD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TORC_API_URL", "http://127.0.0.1:9")  # where no server listens
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "etc"))
    for name, content in FILES.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(content)
    Path("folder").mkdir()


@pytest.mark.usefixtures("furnished")
@pytest.mark.parametrize(("words", "message"), REFUSED.items(), ids=REFUSED)
def test_refused_with_a_message(words: str, message: str) -> None:
    ended = CliRunner().invoke(app, shlex.split(words))

    assert ended.exit_code == 2
    assert message in ended.stderr
    assert not ended.stdout
    assert not Path("home").exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(command: str) -> None:
    ended = CliRunner().invoke(app, [*command.split(), "--help"])
    assert CliRunner().invoke(app, [*command.split(), "-h"]).stdout == ended.stdout

    assert ended.exit_code == 0
    assert f"    torc-watchd {command}" in ended.stdout.partition("Example")[2]


def test_version_of_the_distribution() -> None:
    ended = CliRunner().invoke(app, ["--version"])

    project = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]
    assert (ended.exit_code, ended.stdout) == (0, f"torc-watchd {project['version']}\n")


@pytest.mark.usefixtures("furnished")
def test_plan_of_the_readme(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(_ROOT)
    for variable in ("NLR_CLUSTER", "NREL_CLUSTER"):  # there Slurm would be asked
        monkeypatch.delenv(variable, raising=False)
    _, _, text = (_ROOT / "README.md").read_text().partition("Elsewhere `torc-watchd ")
    command, _, text = text.partition("`\nprints this:\n\n```\n")
    ended = CliRunner().invoke(app, command.split())

    assert ended.exit_code == 0, ended.stderr
    assert ended.stdout + ended.stderr == text.partition("```")[0]


@pytest.mark.parametrize("command", ["", "watch", "demo"])
def test_help_says_what_exit_statuses_mean(command: str) -> None:
    lines = CliRunner().invoke(app, [*command.split(), "--help"]).stdout.splitlines()

    listed = lines[lines.index("  Exit status:") + 1 :]
    meanings = dict(line.split(maxsplit=1) for line in listed if line)
    assert list(meanings) == list(map(str, EXIT_STATUSES))
    readme = (_ROOT / "README.md").read_text()
    for status, meaning in meanings.items():
        assert f"| {status} | {meaning} |\n" in readme


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "variables", "message"),
    [
        ("watch 1 -m -1", {}, "'--max-retries'"),
        ("submit missing.yaml", {}, "There is no file missing.yaml"),
        ("watch 1", {"TORC_TIMEOUT": "soon"}, "TORC_TIMEOUT in the environment: Input should be"),
        ("workflows", {"TORC_PASSWORD_FILE": "/missing"}, "/missing cannot be read: No such file"),
        ("workflows", {"TORC_API_URL": "%%"}, "'%%' is not the URL of a server"),
    ],
)
def test_real_process_prints_the_message_without_a_traceback(
    site: "Site", words: str, variables: dict[str, str], message: str
) -> None:
    ended = site.run(*words.split(), **variables)

    assert ended.returncode == 2
    assert message in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr


@pytest.mark.slow
def test_unknown_workflows_are_refused(served: "Site") -> None:
    for command in ("watch", "plan", "recover"):
        ended = served.run(command, "7")
        assert ended.returncode == 2
        assert "There is no workflow 7 on " in ended.stderr
        assert ended.stderr.endswith("List the workflows with: torc-watchd workflows\n")


@pytest.mark.slow
def test_output_folder_that_is_a_file(failed: "Site") -> None:
    (failed.folder / "file").touch()
    before = failed.database()

    for folder in ("file", "file/folder"):
        ended = failed.run("watch", "1", "--auto-recover", "--output-dir", folder)
        assert ended.returncode == 2
        assert f"{folder} cannot be used: " in ended.stderr
        assert ended.stderr.endswith("Give another with --output-dir.\n")

    assert failed.database() == before
