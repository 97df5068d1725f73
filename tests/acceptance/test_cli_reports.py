"""reports: what jobs used, measured by the built-in runner."""

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.rigs.json_shapes import assert_documented
from torc_watch.core.units import MIB, parse_duration, parse_memory
from torc_watch.spec.yaml_loader import parse_yaml

if TYPE_CHECKING:
    from tests.acceptance.conftest import Site

pytestmark = pytest.mark.slow

_HOLD = "python3 -c 'import time; held = bytearray(96 << 20); time.sleep(2)'"
USERS = f"""
name: users
resource_monitor: {{ enabled: true, sample_interval_seconds: 1 }}
execution_config: {{ limit_resources: false }}
resource_requirements:
  - {{ name: small, num_cpus: 1, memory: 64m, runtime: PT1H }}
  - {{ name: large, num_cpus: 1, memory: 2g, runtime: PT1H }}
jobs:
  - name: "tight_{{i}}"
    command: "{_HOLD}"
    resource_requirements: small
    parameters: {{ i: "1:2" }}
  - {{ name: roomy, command: "{_HOLD}", resource_requirements: large }}
  - {{ name: broken, command: "exit 3", resource_requirements: large }}
  - {{ name: free, command: "true" }}
"""
CHECK = ("reports", "check-resource-utilization", "1")


def test_use_is_compared_with_requests(site: "Site") -> None:
    site.serve()
    site.submit(USERS)
    site.run("watch", "1", "-p", "1")

    told = site.run(*CHECK)
    assert told.returncode == 0, told.stderr
    first, *lines = told.stdout.splitlines()
    assert first == "Workflow 1: 2 of 3 jobs used more than they requested."
    assert any(line.startswith("  2 jobs tight: memory 64m requested, ") for line in lines)
    assert "1 job has no resource requirements, and nothing to compare with." in lines

    values = json.loads(site.run(*CHECK, "--json").stdout)
    assert_documented("reports check-resource-utilization", values)
    assert {use["job_name"] for use in values["violations"]} == {"tight_1", "tight_2"}
    assert not values["resource_violations"]
    assert not values["within_limits"]

    values = json.loads(site.run(*CHECK, "--all", "--include-failed", "--json").stdout)
    assert_documented("reports check-resource-utilization", values)
    assert values["total_results"] == 5
    assert [each["return_code"] for each in values["resource_violations"]] == [3]
    memory = {kind["kind"]: kind["memory"] for kind in values["kinds"]}
    assert {name: use["fit"] for name, use in memory.items()} == {
        "tight": "too_little",
        "roomy": "far_too_much",
        "broken": "not_measured",
    }
    assert json.loads(site.run(*CHECK, "-r", "2", "--json").stdout)["total_results"] == 0

    (roomy,) = (each["job_id"] for each in values["within_limits"] if _is_memory_of_roomy(each))
    step = {"workflow_id": 1, "job_id": roomy, "run_id": 1, "attempt_id": 1}
    site.request("POST", "/slurm_stats", step | {"max_rss_bytes": 3 << 30})
    assert "roomy: memory 2g requested, 3g used at most: 4608m would do" in site.run(*CHECK).stdout

    sizes = json.loads(site.run("sizes", "1", "--json").stdout)
    assert_documented("sizes", sizes)
    spec = site.folder / "apply.yaml"
    spec.write_text(USERS, encoding="utf-8")
    applied = site.run("sizes", "1", "--apply", str(spec))
    assert applied.returncode == 0, applied.stderr
    suggested = {each["name"]: each for each in sizes["resource_requirements"]}
    assert suggested["small"]["memory"] > 96 * MIB
    for row in parse_yaml(spec.read_text(encoding="utf-8"))["resource_requirements"]:
        wanted = suggested[row["name"]]
        assert wanted["memory"] in (None, parse_memory(row["memory"]))
        assert wanted["runtime"] in (None, parse_duration(row["runtime"]))
    assert spec.with_name("apply.yaml.bak").read_text(encoding="utf-8") == USERS

    _assert_report(site)

    none = site.run(*CHECK[:2], "9")
    assert none.returncode == 2
    assert "There is no workflow 9" in none.stderr


def _assert_report(site: "Site") -> None:
    """Also of a workflow that was deleted."""
    written = site.run("report", "1")
    assert written.returncode == 0, written.stderr
    assert written.stdout.startswith("Wrote report-1.html (")
    page = (site.folder / "report-1.html").read_text()
    assert "4 of 5 jobs completed; 1 failed." in page
    assert page.count("<svg") == 3
    assert site.run("report", "1", "-o", "workflow.yaml").returncode == 2, "it is no report"
    assert (site.folder / "workflow.yaml").read_text() == USERS

    site.request("DELETE", "/workflows/1")
    gone = site.run("report", "1", "--json")
    assert gone.returncode == 0
    assert "Workflow 1 is not on" in gone.stderr
    values = json.loads(gone.stdout)
    assert_documented("report", values)
    assert [watch["verdict"] for watch in values["watches"]] == ["failed"]


def _is_memory_of_roomy(use: dict[str, Any]) -> bool:
    return (use["job_name"], use["resource_type"]) == ("roomy", "Memory")
