"""The captured job outcomes, which test the diagnosis, still match the real Torc."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[2]
CAPTURE = REPOSITORY / "scripts" / "capture.d" / "capture.py"
FIXTURES = REPOSITORY / "tests" / "fixtures"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

Ends = dict[str, tuple[str, int | None]]


@pytest.mark.parametrize("version", ["0.12.2", "1.0.0"])
def test_captures_are_up_to_date(
    version: str, tmp_path: Path, torc_program: Callable[[str, str], Path]
) -> None:
    torc_program(version, "torc")
    subprocess.run(
        [sys.executable, CAPTURE, "--quick", "--torc", version, "--into", tmp_path], check=True
    )
    captured = {path.stem: ends_in(path) for path in tmp_path.glob("*/*.json")}
    assert len(captured) >= 8
    expected = FIXTURES / f"torc-{version}"
    assert captured == {name: ends_in(expected / f"{name}.json") for name in captured}


def ends_in(path: Path) -> Ends:
    """Job name to status and return code of the last result."""
    rows: dict[str, list[dict[str, Any]]] = json.loads(path.read_text())
    codes = {result["job_id"]: result["return_code"] for result in rows["results"]}
    return {job["name"]: (job["status"], codes.get(job["id"])) for job in rows["jobs"]}
