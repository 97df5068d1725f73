"""Programs that really fail: each for the cause that the first part of its name says."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from tests.acceptance.conftest import Site

pytestmark = pytest.mark.slow

PROGRAMS = Path(__file__).parents[1] / "failures" / "programs.yaml"


def test_causes_of_programs_that_fail(site: "Site") -> None:
    site.serve()
    site.submit(PROGRAMS.read_text())
    site.run("watch", "1", "-p", "1")

    failures = json.loads(site.run("why", "1", "--json").stdout)["failures"]
    found = {job["job_name"]: group["cause"] for group in failures for job in group["jobs"]}
    assert len(found) == PROGRAMS.read_text().count("  - name: ")
    names = [job["name"] for job in yaml.safe_load(PROGRAMS.read_text())["jobs"]]
    assert found == {name: name.partition(".")[0] for name in names}
