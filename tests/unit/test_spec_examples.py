import re
import subprocess
from pathlib import Path

import pytest

from torc_watch.core.units import MIB
from torc_watch.spec import JobSpec
from torc_watch.spec.spec_file import read_spec

EXAMPLES = Path(__file__).parents[2] / "examples"
GROWING = {7, 12, 23, 31, 45}


def jobs_of(name: str) -> dict[str, JobSpec]:
    return {job.name: job for job in read_spec(EXAMPLES / name).jobs}


@pytest.mark.parametrize("path", sorted(EXAMPLES.iterdir()), ids=lambda path: path.name)
def test_commands_of_every_example_are_valid_shell(path: Path) -> None:
    spec = read_spec(path)
    assert spec.name == path.stem
    assert spec.warnings == ()
    commands = {job.command for job in spec.jobs}
    for command in {re.sub("[0-9]+", "1", command) for command in commands}:
        subprocess.run(["bash", "-n", "-c", command], check=True)


def test_tutorial_is_expanded() -> None:
    jobs = jobs_of("tutorial.yaml")
    prepare = tuple(f"prepare_data_{number}" for number in range(1, 11))
    train = tuple(f"train_model_{number}" for number in range(1, 91))
    assert tuple(jobs) == prepare + train
    assert all(jobs[name].depends_on == () for name in prepare)
    assert all(jobs[name].depends_on == prepare for name in train)
    (requirements,) = read_spec(EXAMPLES / "tutorial.yaml").requirements
    assert (requirements.num_cpus, requirements.memory, requirements.runtime) == (1, 64 * MIB, 60)


@pytest.mark.parametrize("number", [1, 6, 7, 12, 23, 31, 45, 70, 90])
def test_five_models_of_the_tutorial_need_more_memory(number: int) -> None:
    command = jobs_of("tutorial.yaml")[f"train_model_{number}"].command
    script = 'exec() { echo "$1"; exit; }\n' + command
    run = subprocess.run(["bash", "-c", script], check=True, capture_output=True, text=True)
    assert run.stdout.strip() == ("python3" if number in GROWING else "sleep")


def test_diamond_depends_through_files() -> None:
    assert list(jobs_of("diamond.json5")) == ["split", "count_1", "count_2", "join"]
