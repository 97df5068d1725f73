"""Programs that really fail: each for the cause that the first part of its name says."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from tests.acceptance.conftest import Site

pytestmark = pytest.mark.slow

PROGRAMS = Path(__file__).parents[1] / "failures" / "programs"
FILES = sorted(PROGRAMS.glob("*.yaml"))


def specification(file: Path) -> Any:
    return yaml.safe_load(file.read_text())


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_programs_of_a_file_are_named_after_its_cause(file: Path) -> None:
    assert {job["name"].partition(".")[0] for job in specification(file)["jobs"]} == {file.stem}


def test_causes_of_programs_that_fail(site: "Site") -> None:
    site.serve()
    specifications = [specification(file) for file in FILES]
    rows = {row["name"]: row for each in specifications for row in requirements(each)}
    jobs = [job for each in specifications for job in each["jobs"]]
    whole = {"name": "failing", "resource_requirements": list(rows.values()), "jobs": jobs}
    site.submit(yaml.safe_dump(whole))
    site.run("watch", "1", "-p", "1")

    failures = json.loads(site.run("why", "1", "--json").stdout)["failures"]
    found = {job["job_name"]: group["cause"] for group in failures for job in group["jobs"]}
    expected = {job["name"]: job["name"].partition(".")[0] for job in jobs}
    assert found.keys() == expected.keys()
    misread = {name: cause for name, cause in found.items() if cause != expected[name]}
    assert misread == {}


def requirements(document: Any) -> Any:
    return document.get("resource_requirements", [])
