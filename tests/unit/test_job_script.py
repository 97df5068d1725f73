"""The scripts of allocations, as sbatch and the shell read them."""

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from torc_watch.core.allocation import AllocationSpec
from torc_watch.core.units import GIB
from torc_watch.schedulers.base import WorkerAssignment
from torc_watch.schedulers.slurm.job_script import RunnerSettings, is_for_workflow, job_script
from torc_watch.torc.transport import Connection

URL = "http://login:8080/torc-service/v1"
RUNNER = RunnerSettings(command=("/opt/torc/runner",), has_claim_pause=True)
WORK = WorkerAssignment(
    connection=Connection(url=URL),
    workflow_id=42,
    scheduler_config_id=1,
    output_dir=Path("/scratch/my runs/out"),
)
SPEC = AllocationSpec(token="tw42-0a-1", num_cpus=8, memory=10 * GIB, runtime=3601)  # noqa: S106


def directives(spec: AllocationSpec) -> list[str]:
    lines = job_script(spec, WORK, RUNNER).splitlines()
    return [line.removeprefix("#SBATCH ") for line in lines if line.startswith("#SBATCH")]


def test_shape_is_written_after_the_options_of_the_row() -> None:
    """Slurm takes the last of two alike: an allocation that was made larger stays so."""
    carried = ("--account=a", "--exclusive --cpus-per-task=2")
    lines = directives(replace(SPEC, options=carried))

    assert tuple(lines[:2]) == carried
    assert {"--cpus-per-task=8", "--mem=10240M", "--time=61", "--nodes=1"} <= set(lines[2:])
    assert {"--job-name=tw42-0a-1", "--signal=B:TERM@60", "--no-requeue"} <= set(lines[2:])
    assert '--chdir="/scratch/my runs"' in lines


@pytest.mark.parametrize(
    ("server", "workflow_id", "expected"),
    [
        (URL, 42, True),
        (URL, 4, False),
        (URL, 420, False),
        ("http://other:8080/torc-service/v1", 42, False),
        ("8080/torc-service/v1", 42, False),
    ],
)
def test_script_says_whose_jobs_it_runs(server: str, workflow_id: int, expected: bool) -> None:
    script = job_script(SPEC, WORK, RUNNER)
    assert is_for_workflow(script, server, workflow_id) is expected
    assert is_for_workflow(f"{script}\n", server, workflow_id) is expected
    assert not is_for_workflow("", server, workflow_id)


def test_paths_are_no_patterns_and_end_no_quotes() -> None:
    work = replace(WORK, output_dir=Path('/scratch/50%j "all"/out'))
    lines = job_script(SPEC, work, RUNNER).splitlines()

    assert r'#SBATCH --chdir="/scratch/50%j \"all\""' in lines
    output = r'"/scratch/50%%j \"all\"/out/slurm_output_wf42_sl%j.o"'
    assert f"#SBATCH --output={output}" in lines


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"runtime": None}, "--time=525600"),
        ({"runtime": 30}, "--time=1"),
        ({"runtime": 60}, "--time=1"),
        ({"num_nodes": 3}, "--nodes=3"),
        ({"memory": 10 * GIB + 1}, "--mem=10241M"),
        ({"num_gpus": 2}, "--gres=gpu:2"),
    ],
)
def test_shape_is_rounded_up_to_what_slurm_can_be_asked_for(
    change: dict[str, Any], expected: str
) -> None:
    assert expected in directives(replace(SPEC, **change))


@pytest.mark.parametrize(
    ("wait", "pause"), [(None, 30), (300, 30), (90, 30), (30, 10), (5, 1), (1, 1), (0, 1)]
)
def test_runner_looks_for_jobs_before_it_leaves(wait: int | None, pause: int) -> None:
    script = job_script(SPEC, replace(WORK, wait_for_new_jobs=wait), RUNNER)

    pauses = f" --poll-interval {pause} --claim-backoff-max-secs {pause}"
    assert script.rstrip().endswith(pauses)


@pytest.mark.parametrize("option", ["--partition=gpu", "--constraint=gpu80", "--qos=gpu-long"])
def test_gpus_are_asked_for_where_only_a_name_says_so(option: str) -> None:
    assert "--gres=gpu:4" in directives(replace(SPEC, num_gpus=4, options=(option,)))


@pytest.mark.parametrize(
    "option",
    ["--gres=gpu:a100:4", "--gres=tmpdisk:1,gpu:4", "--gpus-per-node=4", "--qos=x -G 4", "-G4"],
)
def test_gpus_are_asked_for_as_the_row_does(option: str) -> None:
    assert "--gres=gpu:4" not in directives(replace(SPEC, num_gpus=4, options=(option,)))


def test_memory_of_each_cpu_is_left_to_the_row() -> None:
    """Slurm refuses --mem beside it."""
    lines = directives(replace(SPEC, options=("--mem-per-cpu=2G",)))
    assert not [line for line in lines if line.startswith("--mem=")]


def test_jobs_run_in_the_folder_from_which_the_workflow_was_submitted() -> None:
    work = replace(WORK, submitted_from=Path("/home/ann/project"))
    assert '#SBATCH --chdir="/home/ann/project"' in job_script(SPEC, work, RUNNER)


def test_runner_takes_the_place_of_the_shell(tmp_path: Path) -> None:
    """Names with blanks, quotes and dollars stay what they are."""
    program = tmp_path / "torc's $(runner)"
    program.write_text('#!/bin/sh\necho "$PPID"\nprintf "%s\\n" "$@" "$TORC_PASSWORD"\n')
    program.chmod(0o755)
    password = tmp_path / "pass word"
    password.write_text("it's $SECRET\n")
    connection = Connection(url=URL, ca_file=Path("/etc/a b.pem"), verify_tls=False)
    work = replace(WORK, connection=connection, output_dir=tmp_path / "out $1")
    runner = RunnerSettings(command=(str(program),), password_file=password, has_claim_pause=True)
    script = tmp_path / "script"
    script.write_text(job_script(SPEC, work, runner))

    # The shell of this line has the same parent as the runner that replaces the script's.
    shell = ["sh", "-c", f"echo $$; sh {script}; :"]
    done = subprocess.run(shell, capture_output=True, text=True, check=True)

    parent, parent_of_runner, *rest = done.stdout.splitlines()
    assert parent == parent_of_runner
    assert rest == [
        *(URL, "42", str(tmp_path / "out $1"), "--poll-interval", "30"),
        *("--claim-backoff-max-secs", "30", "--tls-ca-cert", "/etc/a b.pem", "--tls-insecure"),
        "it's $SECRET",
    ]


def test_job_ends_if_the_password_cannot_be_read(tmp_path: Path) -> None:
    runner = replace(RUNNER, password_file=tmp_path / "missing")
    done = subprocess.run(["sh"], input=job_script(SPEC, WORK, runner), text=True, check=False)
    assert done.returncode == 1


def test_runner_of_0_12_gets_no_option_that_it_does_not_know() -> None:
    assert "backoff" not in job_script(SPEC, WORK, replace(RUNNER, has_claim_pause=False))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param((), "--exclude=n07,n12", id="none of the user's"),
        pytest.param(("--exclude=n1",), "--exclude=n1,n07,n12", id="the user's too"),
        pytest.param(("-x n1",), "--exclude=n1,n07,n12", id="a short option"),
        pytest.param(("-xn1",), "--exclude=n1,n07,n12", id="without a blank"),
        pytest.param(("--exclude n[1-2],n5",), "--exclude=n[1-2],n5,n07,n12", id="a list"),
        pytest.param(
            ('--mem=1G --exclude="n[1-2]"',), "--exclude=n[1-2],n07,n12", id="in quotes, in extra"
        ),
        pytest.param(("--exclude=n1", "-x n2"), "--exclude=n2,n07,n12", id="the user's last"),
        pytest.param(("--exclusive",), "--exclude=n07,n12", id="another option"),
        pytest.param(("--exclude=/home/ada/bad",), None, id="a file of names"),
        pytest.param(("--exclude=n1;n2",), None, id="not to be understood"),
    ],
)
def test_excluded_nodes_join_those_of_the_user(
    options: tuple[str, ...], expected: str | None
) -> None:
    lines = directives(replace(SPEC, options=options, excluded_nodes=("n07", "n12")))
    ours = lines[len(options) :]
    assert [line for line in ours if "--exclude=" in line] == ([expected] if expected else [])
    assert tuple(lines[: len(options)]) == options


@pytest.mark.parametrize("name", ["n1 --uid=0", "n1\n#SBATCH --uid=0", "-x", "n[1-9]", ""])
def test_what_is_no_name_of_a_node_is_not_written(name: str) -> None:
    assert directives(replace(SPEC, excluded_nodes=(name,))) == directives(SPEC)
