from collections.abc import Mapping
from typing import Any

import pytest

from torc_watch.spec import FileSpec, JobSpec, RequirementsSpec, Spec, UserDataSpec, expand


def job(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "command": "true", **fields}


def spec(*jobs: object, **fields: Any) -> dict[str, Any]:
    return {"name": "workflow", "jobs": list(jobs), **fields}


def jobs_of(document: Mapping[str, Any]) -> dict[str, JobSpec]:
    return {job.name: job for job in expand(document).jobs}


SMALL = {"name": "small", "num_cpus": 1, "memory": "1g"}


EVERYTHING = {
    "name": "all",
    "description": "of it",
    "project": "p",
    "metadata": '{"team": "ml"}',
    "use_pending_failed": True,
    "compute_node_wait_for_new_jobs_seconds": 30,
    "resource_monitor": {"enabled": True},
    "slurm_defaults": {"qos": "high"},
    "resource_requirements": [
        {
            "name": "large",
            "num_cpus": 4,
            "num_gpus": 1,
            "num_nodes": 2,
            "memory": "8g",
            "runtime": "PT2H",
        },
        SMALL,
    ],
    "files": [{"name": "f", "path": "/data/f"}, {"name": "g", "path": "/data/g"}],
    "user_data": [
        {"name": "u", "data": {"x": [1, None]}, "is_ephemeral": True},
        {"name": "v"},
    ],
    "jobs": [
        job("first"),
        {
            "name": "second",
            "command": "run",
            "invocation_script": "start.sh",
            "resource_requirements": "large",
            "depends_on": ["first"],
            "input_files": ["f"],
            "output_files": ["g"],
            "input_user_data": ["u"],
            "output_user_data": ["v"],
            "cancel_on_blocking_job_failure": False,
            "supports_termination": True,
            "priority": 7,
        },
    ],
}
EVERYTHING_READ = Spec(
    name="all",
    settings={
        "description": "of it",
        "project": "p",
        "metadata": {"team": "ml"},
        "use_pending_failed": True,
        "compute_node_wait_for_new_jobs_seconds": 30,
        "resource_monitor": {"enabled": True},
        "slurm_defaults": {"qos": "high"},
    },
    files=(FileSpec(name="f", path="/data/f"), FileSpec(name="g", path="/data/g")),
    user_data=(
        UserDataSpec(name="u", data={"x": [1, None]}, is_ephemeral=True),
        UserDataSpec(name="v", data=None, is_ephemeral=False),
    ),
    requirements=(
        RequirementsSpec(
            name="large", num_cpus=4, num_gpus=1, num_nodes=2, memory=8 * 2**30, runtime=7200
        ),
        RequirementsSpec(
            name="small", num_cpus=1, num_gpus=0, num_nodes=1, memory=2**30, runtime=3600
        ),
    ),
    jobs=(
        JobSpec(
            name="first",
            command="true",
            invocation_script=None,
            requirements=None,
            depends_on=(),
            input_files=(),
            output_files=(),
            input_user_data=(),
            output_user_data=(),
            cancel_on_blocking_job_failure=True,
            supports_termination=False,
            priority=0,
        ),
        JobSpec(
            name="second",
            command="run",
            invocation_script="start.sh",
            requirements="large",
            depends_on=("first",),
            input_files=("f",),
            output_files=("g",),
            input_user_data=("u",),
            output_user_data=("v",),
            cancel_on_blocking_job_failure=False,
            supports_termination=True,
            priority=7,
        ),
    ),
    warnings=(),
)


def test_all_fields_are_read() -> None:
    assert expand(EVERYTHING) == EVERYTHING_READ


def test_parameters_are_substituted_in_all_texts_of_a_job() -> None:
    found = jobs_of(
        spec(
            job("prepare_a"),
            job("prepare_b"),
            job(
                "train_{size}_{i:02d}",
                command="train --size {size} {i}",
                depends_on=["prepare_{size}"],
                resource_requirements="for_{size}",
                output_files=["model_{size}_{i}"],
                parameters={"size": "['a','b']", "i": "8:10:2"},
            ),
            files=[
                {
                    "name": "model_{size}_{i}",
                    "path": "{size}/{i}",
                    "parameters": {"size": ["a", "b"], "i": [8, 10]},
                }
            ],
            resource_requirements=[SMALL | {"name": "for_a"}, SMALL | {"name": "for_b"}],
        )
    )
    trained = found["train_b_10"]
    assert set(found) == {
        "prepare_a",
        "prepare_b",
        "train_a_08",
        "train_a_10",
        "train_b_08",
        "train_b_10",
    }
    assert trained.command == "train --size b 10"
    assert trained.depends_on == ("prepare_b",)
    assert trained.requirements == "for_b"
    assert trained.output_files == ("model_b_10",)


def test_parameters_are_substituted_in_nested_user_data() -> None:
    found = expand(
        spec(
            job("a"),
            user_data=[{"name": "u{i}", "data": {"k": ["{i}", 1]}, "parameters": {"i": "1:2"}}],
        )
    )
    assert [item.data for item in found.user_data] == [{"k": ["1", 1]}, {"k": ["2", 1]}]


def test_job_uses_only_the_workflow_parameters_it_names() -> None:
    document = spec(
        job("a{i}", use_parameters=["i"]),
        job("b{i}"),
        job("c{k}", use_parameters=["k"], parameters={"k": "9"}),
        job("d{m}", use_parameters=["m"], parameters={"m": "5"}),
        parameters={"i": "1:2", "k": "1:3"},
    )
    assert set(jobs_of(document)) == {"a1", "a2", "b{i}", "c9", "d5"}


def test_zip_mode_combines_values_pairwise() -> None:
    document = spec(job("{a}{b}", parameters={"a": "1:2", "b": "['x','y']"}, parameter_mode="zip"))
    assert set(jobs_of(document)) == {"1x", "2y"}


def test_patterns_match_parts_of_names_without_duplicates() -> None:
    found = jobs_of(
        spec(
            job("prepare_{i}", parameters={"i": "1:3"}),
            job("train", depends_on=["prepare_2"], depends_on_regexes=["^prepare_", "_3"]),
            job("read", input_file_regexes=[r"\.csv$"], output_user_data_regexes=["."]),
            files=[{"name": name, "path": name} for name in ("a.csv", "a.csv.gz", "b.csv")],
            user_data=[{"name": "summary"}],
        )
    )
    assert found["train"].depends_on == ("prepare_2", "prepare_1", "prepare_3")
    assert found["read"].input_files == ("a.csv", "b.csv")
    assert found["read"].output_user_data == ("summary",)


def test_variables_in_commands_are_replaced_and_add_dependencies() -> None:
    found = jobs_of(
        spec(
            job("join", command="cat ${files.input.part_{i}} ${HOME}", parameters={"i": "[1]"}),
            job(
                "split",
                command="split >${files.output.part_1}",
                invocation_script="run '${user_data.input.options}'",
                output_files=["log"],
            ),
            files=[{"name": "part_1", "path": "/tmp/p 1"}, {"name": "log", "path": "log"}],
            user_data=[{"name": "options", "data": {"n": 1, "a": "b"}}],
        )
    )
    assert list(found) == ["split", "join"]
    assert found["join"].command == "cat /tmp/p 1 ${HOME}"
    assert found["join"].input_files == ("part_1",)
    assert found["split"].output_files == ("log", "part_1")
    assert found["split"].invocation_script == 'run \'{"a":"b","n":1}\''
    assert found["split"].input_user_data == ("options",)


@pytest.mark.parametrize(
    "name",
    [
        "with space",
        'it\'s "quoted"',
        "two\nlines",
        "$(reboot)",
        "x" * 200,
        "größe-数-🙂",
        "-rf",
        "{i}",
    ],
)
def test_name_may_have_any_characters(name: str) -> None:
    found = jobs_of(spec(job("after", depends_on=[name]), job(name)))
    assert found["after"].depends_on == (name,)
    assert found[name].name == name


def test_ignored_keys_cause_warnings() -> None:
    document = spec(
        job("a_{i}", scheduler="gpu", parameters={"i": "1:3"}),
        job("b", failure_handler=None, stdio={"mode": "none"}),
        actions=[{"trigger_type": "on_workflow_start"}],
        slurm_schedulers=[],
    )
    assert expand(document).warnings == (
        "actions is ignored: workflow actions are not created",
        (
            "scheduler of 3 of 4 jobs is ignored: the job runs wherever its resource requirements "
            "are met"
        ),
        "stdio of 1 of 4 jobs is ignored: standard output and error always go to files",
    )


def test_flags_as_values_of_parameters_are_texts() -> None:
    document = spec(
        job("a_{x}", parameters={"x": [True, False]}), job("b_{x}", parameters={"x": True})
    )
    assert set(jobs_of(document)) == {"a_true", "a_false", "b_true"}
