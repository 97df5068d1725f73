"""Variables of a specification (``variables``), as Torc fills them in."""

from typing import Any

import pytest

from torc_watch.core.errors import InvalidSpec
from torc_watch.spec import JobSpec, Spec, expand


def spec(job: dict[str, Any] | None = None, **top: Any) -> Spec:
    return expand({"name": "w", "jobs": [{"name": "a", "command": "x", **(job or {})}], **top})


def the_job(**fields: Any) -> JobSpec:
    return spec(fields, variables={"data": "/d", "n": "007"}).jobs[0]


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("cat {data}/x {data}", "cat /d/x /d"),
        ("{n:03d}", "007"),  # a text, for which formats mean nothing
        ("${data} ${data:-x}", "${data} ${data:-x}"),  # the shell's
        ("{{data}}", "{{data}}"),
        ("awk '{ print $1 }' {}", "awk '{ print $1 }' {}"),
        ('{"data": 1}', '{"data": 1}'),
    ],
)
def test_variables_are_filled_in(text: str, filled: str) -> None:
    assert the_job(command=text).command == filled


def test_variables_are_filled_into_all_texts() -> None:
    found = spec(
        {
            "name": "a_{tag}_{i}",
            "env": {"TAG": "{tag}"},
            "parameters": {"i": "{range}"},
        },
        variables={"tag": "t", "range": "1:2"},
        description="of {tag}",
        env={"ALL": "{tag}"},
        metadata={"{tag}": ["{tag}"]},
        user_data=[{"name": "u", "data": {"k": "{tag}"}}],
    )
    assert [job.name for job in found.jobs] == ["a_t_1", "a_t_2"]
    assert found.jobs[0].env == {"TAG": "t"}
    assert found.env == {"ALL": "t"}
    assert found.settings["description"] == "of t"
    assert found.settings["metadata"] == {"{tag}": ["t"]}
    assert found.user_data[0].data == {"k": "t"}


def test_braces_mean_nothing_without_variables() -> None:
    assert spec({"command": "{x}"}).jobs[0].command == "{x}"
    assert spec({"command": "{x}"}, variables={}).jobs[0].command == "{x}"


@pytest.mark.parametrize(
    ("job", "top", "problem"),
    [
        ({"command": "{y}"}, {}, r"jobs\[0\]\.command: there is no variable or parameter 'y'"),
        ({"command": "{i}"}, {}, "there is no variable or parameter 'i'"),
        ({}, {"variables": {"x": "{y}"}}, r"variables\.x: \{y\} in a variable is not filled in"),
        ({}, {"variables": {"x": 1}}, "variables: must be a mapping of names .* to texts"),
        ({}, {"variables": {"a-b": "1"}}, "variables: must be a mapping of names"),
        ({}, {"variables": "x"}, "variables: must be a mapping of names"),
        (
            {"parameters": {"x": "1:2"}, "name": "a{x}"},
            {},
            r"variables\.x: a parameter has the same name",
        ),
    ],
)
def test_what_torc_refuses_is_refused(
    job: dict[str, Any], top: dict[str, Any], problem: str
) -> None:
    with pytest.raises(InvalidSpec, match=problem):
        spec(job, **{"variables": {"x": "1"}, **top})


@pytest.mark.parametrize(
    ("parameters", "text", "filled"),
    [
        ({"x": "7"}, "{x:03d} {y}", "007 {y}"),
        ({"x": ["a"]}, "{x}", "a"),
        ({"x": "1:3"}, "$HOME", "$HOME"),
    ],
)
def test_environment_of_the_workflow_may_use_its_parameters(
    parameters: dict[str, Any], text: str, filled: str
) -> None:
    assert spec(parameters=parameters, env={"V": text}).env == {"V": filled}


def test_parameter_with_several_values_has_no_place_in_the_environment() -> None:
    with pytest.raises(InvalidSpec, match="env: parameter x has several values"):
        spec(parameters={"x": "1:3"}, env={"V": "{x}"})


@pytest.mark.parametrize("env", [{"1A": "x"}, {"A-B": "x"}, {"A": 1}, {"A": "\0"}, ["A=1"]])
def test_other_environments_are_refused(env: Any) -> None:
    with pytest.raises(InvalidSpec, match=r"jobs\[0\] \(a\)\.env: must be a mapping of names"):
        spec({"env": env})


@pytest.mark.parametrize(
    ("job", "top", "problem"),
    [
        ({"labels": ["gpu"]}, {}, r"labels: workers that are started here have no labels\. Create"),
        (
            {},
            {"actions": [{"trigger_type": "on_workflow_start", "action_type": "run_commands"}]},
            r"actions\[0\]: its commands would not be run\. Create",
        ),
    ],
)
def test_what_jobs_may_need_and_is_not_done_here_is_refused(
    job: dict[str, Any], top: dict[str, Any], problem: str
) -> None:
    with pytest.raises(InvalidSpec, match=problem):
        spec(job, **top)
