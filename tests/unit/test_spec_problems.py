from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

import pytest

from torc_watch.core.errors import InvalidSpec
from torc_watch.spec import entries, expand
from torc_watch.spec import problems as problems_module


def job(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "command": "true", **fields}


def spec(*jobs: object, **fields: Any) -> dict[str, Any]:
    return {"name": "workflow", "jobs": list(jobs), **fields}


def requirements(**fields: Any) -> dict[str, Any]:
    small = {"name": "small", "num_cpus": 1, "memory": "1g"} | fields
    return spec(job("a"), resource_requirements=[small])


def templates(*jobs: tuple[str, dict[str, object]], **fields: Any) -> dict[str, Any]:
    return spec(*(job(name, parameters=parameters) for name, parameters in jobs), **fields)


def problems_of(document: object) -> Sequence[str]:
    with pytest.raises(InvalidSpec) as caught:
        expand(document)
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


SIZES = "resource_requirements[0] (small)"


@pytest.mark.parametrize(
    ("document", "problems"),
    [
        (None, {"workflow": "must be a mapping, not null"}),
        ([], {"workflow": "must be a mapping, not a list"}),
        ({}, {"name": "is missing", "jobs": "is missing"}),
        ({"name": "", "jobs": []}, {"name": "is empty", "jobs": "is empty"}),
        ({"name": "w", "jobs": {}}, {"jobs": "must be a list, not a mapping"}),
        (spec(job("a"), job=[]), {"workflow": "there is no key 'job'; did you mean 'jobs'?"}),
        (spec("a"), {"jobs[0]": "must be a mapping, not a text"}),
        (spec({}), {"jobs[0].name": "is missing", "jobs[0].command": "is missing"}),
        (spec(job("a", comand=1)), {"jobs[0] (a)": "no key 'comand'; did you mean 'command'?"}),
        (spec(job("a", command=7)), {"jobs[0] (a).command": "not a number; put it in quotes"}),
        (spec(job("a", command="")), {"jobs[0] (a).command": "is empty"}),
        (spec(job("a", command=None)), {"jobs[0] (a).command": "is missing"}),
        (spec(job("a", depends_on="b")), {"jobs[0] (a).depends_on": "must be a list of texts"}),
        (spec(job("a", priority=True)), {"jobs[0] (a).priority": "must be a whole number"}),
        (spec(job("a", priority=-1)), {"jobs[0] (a).priority": "must be a whole number"}),
        (spec(job("a\ud800")), {r"jobs[0] (a\ud800).name": "must be text without NUL and lone"}),
        (spec(job("a\0")), {r"jobs[0] (a\x00).name": "must be text without NUL and lone"}),
        (
            spec(job("a"), metadata="{"),
            {"metadata": "must be a mapping, or a mapping as JSON text"},
        ),
        (
            spec(job("a"), user_data=[{"name": "u", "data": float("nan")}]),
            {"user_data[0] (u).data": "must be a value that JSON can express, not a number"},
        ),
        (
            spec(job("a"), slurm_defaults={"Partition": "short", "qos": "high"}),
            {"slurm_defaults": "Partition is planned for each allocation"},
        ),
        # Duplicate and unknown names
        (spec(job("a"), job("b"), job("a")), {"jobs[2] (a).name": "also the name of jobs[0] (a)"}),
        (
            templates(("a_{i}", {"i": "[1]", "k": "1:2"})),
            {"jobs[0] (a_{i}).name": "would have the name 'a_1'; use every parameter in the name"},
        ),
        (
            spec(job("train_1"), job("b", depends_on=["trian_1"])),
            {"jobs[1] (b).depends_on": "there is no job 'trian_1'; did you mean 'train_1'?"},
        ),
        (
            spec(job("a", depends_on_regexes=["^x"])),
            {"jobs[0] (a).depends_on_regexes": "no job matches '^x'"},
        ),
        (
            spec(job("a", input_file_regexes=["("])),
            {"jobs[0] (a).input_file_regexes": "'(' is not a regular expression of Torc: missing"},
        ),
        (
            spec(job("a", input_files=["f"], output_user_data=["u"])),
            {
                "jobs[0] (a).input_files": "there is no file 'f'",
                "jobs[0] (a).output_user_data": "there is no user data 'u'",
            },
        ),
        (
            spec(job("a", command="cat ${files.input.f}")),
            {"jobs[0] (a).command": "there is no file 'f'"},
        ),
        (
            spec(job("a", command="x ${user_data.input.u}"), user_data=[{"name": "u"}]),
            {"jobs[0] (a).command": "user data 'u' has no data to insert"},
        ),
        (
            spec(job("a", resource_requirements="smal")) | {"resource_requirements": []},
            {"jobs[0] (a).resource_requirements": "no set of resource requirements 'smal'"},
        ),
        # Quantities
        (requirements(memory="8gb"), {f"{SIZES}.memory": "'8gb' is not a memory size"}),
        (requirements(memory=64), {f"{SIZES}.memory": "not a number; put it in quotes"}),
        (requirements(memory="0m"), {f"{SIZES}.memory": "must be at least 1"}),
        (requirements(memory="9999999999t"), {f"{SIZES}.memory": "is not a memory size"}),
        (requirements(runtime="1h"), {f"{SIZES}.runtime": "'1h' is not a duration"}),
        (requirements(runtime="PT0S"), {f"{SIZES}.runtime": "must be at least 1"}),
        (
            requirements(name="default"),
            {"resource_requirements[0] (default).name": "Torc reserves 'default'"},
        ),
        (requirements(num_cpus=0), {f"{SIZES}.num_cpus": "must be at least 1"}),
        (requirements(num_cpus=None), {f"{SIZES}.num_cpus": "is missing"}),
        # Parameters
        (
            templates(("a{i}", {"i": "1:1000000000"})),
            {"jobs[0] (a{i}).parameters": "1,000,000,000 values are too many"},
        ),
        (templates(("a{i}", {"i": "5:1"})), {"jobs[0] (a{i}).parameters": "has no values"}),
        (templates(("a{i}", {"i": {}})), {"jobs[0] (a{i}).parameters": "values are a range"}),
        (templates(("a{i}", {"i": [[1]]})), {"jobs[0] (a{i}).parameters": "values are a range"}),
        (
            templates(("a{i}", {"i": [float("inf")]})),
            {"jobs[0] (a{i}).parameters": "values are a range"},
        ),
        (templates(("a{i}", {"i": "[[1],[2]]"})), {"jobs[0] (a{i}).parameters": "lists in it"}),
        (
            templates(("a", {"i j": "1"})),
            {"jobs[0] (a).parameters": "a mapping of parameter names"},
        ),
        (
            templates(("a{i}", {"i": "@"})),
            {"jobs[0] (a{i}).parameters": "@ cannot be read"},
        ),
        (
            templates(("a{i}", {"i": "@no/such/file"})),
            {"jobs[0] (a{i}).parameters": "no/such/file cannot be read: No such file"},
        ),
        (
            spec(job("a{i}", use_parameters=["j"]), parameters={"i": "1:2"}),
            {"jobs[0] (a{i}).use_parameters": "there is no workflow parameter 'j'"},
        ),
        (
            spec(job("{a}{b}", parameters={"a": "1:2", "b": "1:3"}, parameter_mode="zip")),
            {"jobs[0] ({a}{b}).parameters": "their numbers differ: a has 2, b has 3"},
        ),
        (
            spec(job("a", parameter_mode="cross")),
            {"jobs[0] (a).parameter_mode": "must be product or zip"},
        ),
    ],
)
def test_each_problem_has_its_location(document: object, problems: dict[str, str]) -> None:
    found = dict(line.split(": ", 1) for line in problems_of(document))
    assert list(found) == list(problems)
    for place, words in problems.items():
        assert words in found[place]


def test_all_problems_are_reported_together() -> None:
    document = spec(
        job("a", depends_on=["b"]),
        job("b", depends_on=["a"]),
        job("c", depends_on=["nobody"], resource_requirements="nothing"),
        job("d", command=None),
        resource_requirements=[{"name": "small", "num_cpus": 1} | {"memory": "1.5g"}],
        nmae="w",
    )
    assert [line.split(":")[0] for line in problems_of(document)] == [
        "workflow",
        "jobs[3] (d).command",
        "jobs[2] (c).resource_requirements",
        "jobs[2] (c).depends_on",
        "resource_requirements[0] (small).memory",
        "jobs",
    ]


def test_failed_expansion_causes_no_further_problems() -> None:
    document = spec(
        job("a_{i}", parameters={"i": "5:1"}),
        job("b", depends_on=["a_1"], depends_on_regexes=["^a_"]),
    )
    assert len(problems_of(document)) == 1


def test_many_problems_of_one_template_are_abbreviated() -> None:
    document = spec(job("a{i}", depends_on=["b{i}"], parameters={"i": "1:100"}), job("c", x=1))
    assert problems_of(document)[1:] == [
        "jobs[0] (a{i}).depends_on: there is no job 'b1'",
        "jobs[0] (a{i}).depends_on: there is no job 'b2'",
        "jobs[0] (a{i}).depends_on: there is no job 'b3'",
        "jobs[0] (a{i}).depends_on: and 97 more problems",
    ]


def test_at_most_twenty_problems_are_shown() -> None:
    problems = problems_of(spec(*(job(f"a{number}", x=1) for number in range(100))))
    assert len(problems) == 21
    assert problems[-1] == "and 80 more"


def test_too_many_jobs_in_total_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entries, "MAX_COMBINATIONS", 5)
    three = {"i": "1:3"}
    document = spec(job("a{i}", parameters=three), job("b{i}", parameters=three))
    assert problems_of(document) == ["jobs: more than 5 entries are too many"]


def test_suggestions_are_computed_only_for_shown_problems(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared: list[str] = []

    def compare(name: str, candidates: Iterable[str], **_: int) -> list[str]:
        compared.extend(name for _ in islice(candidates, 1))
        return []

    monkeypatch.setattr(problems_module, "get_close_matches", compare)
    problems_of(spec(job("a{i}", depends_on=["b{i}"], parameters={"i": "1:1000"})))
    assert compared == ["b1", "b2", "b3"]
