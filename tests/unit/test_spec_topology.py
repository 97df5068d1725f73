from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torc_watch.core.errors import InvalidSpec
from torc_watch.spec import expand


def spec(*jobs: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"name": "workflow", "jobs": [{"command": "true", **job} for job in jobs], **fields}


@st.composite
def acyclic(draw: st.DrawFn) -> dict[str, Any]:
    """Up to 12 jobs in any order, each depending on earlier ones by name, pattern or file."""
    jobs: list[dict[str, Any]] = []
    for number in range(draw(st.integers(1, 12))):
        earlier = draw(st.lists(st.sampled_from(range(number)), unique=True)) if number else []
        how = draw(st.sampled_from(["depends_on", "depends_on_regexes", "input_files"]))
        before = [
            f"^j{other}$" if how == "depends_on_regexes" else f"j{other}" for other in earlier
        ]
        jobs.append({"name": f"j{number}", "output_files": [f"j{number}"], how: before})
    files = [{"name": job["name"], "path": job["name"]} for job in jobs]
    return spec(*draw(st.permutations(jobs)), files=files)


@given(acyclic())
def test_each_job_comes_after_its_dependencies(document: dict[str, Any]) -> None:
    jobs = expand(document).jobs
    position = {job.name: number for number, job in enumerate(jobs)}
    assert len(jobs) == len(document["jobs"])
    for job in jobs:
        for earlier in (*job.depends_on, *job.input_files):
            assert position[earlier] < position[job.name]


@given(acyclic())
def test_jobs_of_a_level_keep_their_order(document: dict[str, Any]) -> None:
    given_position = {job["name"]: number for number, job in enumerate(document["jobs"])}
    level: dict[str, int] = {}
    order = []
    for job in expand(document).jobs:
        before = (*job.depends_on, *job.input_files)
        level[job.name] = 1 + max((level[name] for name in before), default=0)
        order.append((level[job.name], given_position[job.name]))
    assert order == sorted(order)


@pytest.mark.parametrize(
    ("document", "cycle"),
    [
        (spec({"name": "a", "depends_on": ["a"]}), {"a -> a"}),
        (
            spec({"name": "a", "depends_on": ["b"]}, {"name": "b", "depends_on": ["a"]}),
            {"a -> b -> a", "b -> a -> b"},
        ),
        (
            spec(
                {"name": "a", "depends_on": ["b"]},
                {"name": "b", "depends_on": ["c"]},
                {"name": "c", "depends_on": ["a"]},
                {"name": "d", "depends_on": ["a"]},
            ),
            {"a -> b -> c -> a", "b -> c -> a -> b", "c -> a -> b -> c"},
        ),
        (spec({"name": "all", "depends_on_regexes": ["."]}), {"all -> all"}),
        (
            spec(
                {"name": "a", "input_files": ["f"], "output_files": ["g"]},
                {"name": "b", "input_files": ["g"], "output_user_data": ["u"]},
                {"name": "c", "input_user_data": ["u"], "output_files": ["f"]},
                files=[{"name": "f", "path": "f"}, {"name": "g", "path": "g"}],
                user_data=[{"name": "u"}],
            ),
            {"a -> c -> b -> a", "c -> b -> a -> c", "b -> a -> c -> b"},
        ),
    ],
)
def test_cycle_is_shown(document: dict[str, Any], cycle: set[str]) -> None:
    with pytest.raises(InvalidSpec) as caught:
        expand(document)
    line = str(caught.value).splitlines()[-1].strip()
    assert line.removeprefix("jobs: these jobs depend on each other in a cycle: ") in cycle


def test_long_cycle_is_abbreviated() -> None:
    jobs = [{"name": f"j{n}", "depends_on": [f"j{(n + 1) % 1000}"]} for n in range(1000)]
    with pytest.raises(InvalidSpec, match=r"(j\d+ -> ){10}\.\.\.( -> j\d+){10}$"):
        expand(spec(*jobs))


def test_too_many_dependencies_are_refused_in_advance() -> None:
    document = spec(
        {"name": "a{i}", "parameters": {"i": "1:2000"}},
        {"name": "b{i}", "parameters": {"i": "1:2000"}, "depends_on_regexes": ["^a"]},
    )
    with pytest.raises(InvalidSpec, match="4,000,000 dependencies are too many"):
        expand(document)


def test_jobs_of_a_template_share_the_matches_of_a_pattern() -> None:
    document = spec(
        {"name": "a{i}", "parameters": {"i": "1:50"}},
        {"name": "b{i}", "parameters": {"i": "1:2"}, "depends_on_regexes": ["^a"]},
    )
    *_, first, second = expand(document).jobs
    assert first.depends_on is second.depends_on
