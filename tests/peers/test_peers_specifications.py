"""One file, created by Torc 1.0 and here: the servers hold the same, or there is a reason.

docs/specifications.md lists what is left out, refused, or read in another way.
"""

import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.peers.spec_edges import EDGES, Edge
from tests.rigs.workflow_rows import differences, workflow_rows

if TYPE_CHECKING:
    from tests.peers.conftest import Site

pytestmark = pytest.mark.parametrize("peer", ["1.0.0"], indirect=True, scope="session")

EXAMPLES = Path(__file__).parents[2] / "examples"
# What torc-watchd warns of, and where the two may differ then.
LEFT_OUT = {
    "actions": (("actions",),),
    "failure_handlers": (("failure_handlers",),),
    "failure_handler": (("jobs", "*", "failure_handlers"),),
    "slurm_schedulers": (("slurm_schedulers",),),
    "scheduler": (("jobs", "*", "slurm_schedulers"),),
    "stdio": (("workflow", "execution_config"),),
    "access_groups": (("workflow", "access_groups"),),
    "enable_ro_crate": (("workflow", "enable_ro_crate"),),
    "identifier": (),
    "compute_node_expiration_buffer_seconds": (
        ("workflow", "compute_node_expiration_buffer_seconds"),
    ),
}


def crates() -> Iterator[Path]:
    home = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")
    yield from home.glob("registry/src/*/torc-1.0.0")


def files_of_torc() -> list[str]:
    """The specifications in Torc's crate, where cargo has its source."""
    return sorted(
        {
            str(path.relative_to(crate))
            for crate in crates()
            for folder in ("examples", "slurm-tests")
            for path in (crate / folder).rglob("*")
            if path.suffix in {".yaml", ".json", ".json5", ".kdl"}
            and path.parent.name not in {"datasight", "parameter_tables"}
        }
    )


def created_by_torc(site: "Site", file: Path) -> int | None:
    created = site.torc("-f", "json", "create", "--skip-checks", str(file))
    if created.returncode:
        return None
    return int(json.loads(created.stdout)["workflow_id"])


def submitted_here(site: "Site", file: Path) -> tuple[Mapping[str, Any] | None, str]:
    """The output of `submit`, or None and the reason."""
    submitted = site.ours("submit", str(file), "--allocations", "0", "--json")
    if submitted.returncode:
        assert submitted.returncode == 2, submitted.stderr
        return None, submitted.stderr
    values: Mapping[str, Any] = json.loads(submitted.stdout)
    return values, ""


def without(rows: Any, path: tuple[str, ...]) -> Any:
    """The rows without what is at the path; ``*`` stands for all names."""
    if not path or not isinstance(rows, dict):
        return None
    first, *rest = path
    return {
        key: (without(value, tuple(rest)) if rest else None) if first in ("*", key) else value
        for key, value in rows.items()
    }


def assert_equal(site: "Site", theirs: int, ours: Mapping[str, Any], *, differs: str = "") -> None:
    """But for what ours warns of, and one place that must differ."""
    url = site.peer.url
    # `submit` does this, too; the server then adds dependencies through files and user data.
    site.request("POST", f"/workflows/{theirs}/initialize_jobs")
    expected, found = workflow_rows(url, theirs), workflow_rows(url, ours["workflow_id"])
    keys = [re.match(r"\w+", warning)[0] for warning in ours["warnings"]]  # type: ignore[index]
    for path in (path for key in keys for path in LEFT_OUT.get(key, ())):
        expected, found = without(expected, path), without(found, path)
    found_differences = list(differences(expected, found))
    places = [each.partition(":")[0] for each in found_differences]
    assert places == ([differs] if differs else []), "\n".join(found_differences)


@pytest.fixture
def folder(site: "Site") -> Path:
    """The folder in which both commands run, with the files that specifications name."""
    (site.folder / "in.csv").write_text("x\n")
    (site.folder / "table.csv").write_text('lr,set\n0.1,a\n 10 ,"b c"\n\n007,inf\n')
    (site.folder / "table.jsonl").write_text('{"lr": 1}\n\n{"lr": "2", "x": [1, null]}\n')
    return site.folder


@pytest.mark.parametrize("edge", EDGES, ids=lambda edge: edge.name)
def test_edge(site: "Site", folder: Path, edge: Edge) -> None:
    file = folder / f"edge.{edge.extension}"
    file.write_text(edge.text, encoding="utf-8")
    theirs = created_by_torc(site, file)
    ours, why = submitted_here(site, file)
    assert (theirs is not None) is edge.torc
    if edge.reason is not None:
        assert ours is None
        assert edge.reason in " ".join(why.split())
    else:
        assert ours is not None, why
        if theirs is not None:
            assert_equal(site, theirs, ours, differs=edge.differs)


@pytest.mark.parametrize("path", sorted(EXAMPLES.iterdir()), ids=lambda path: path.name)
def test_our_example(site: "Site", path: Path) -> None:
    theirs = created_by_torc(site, path)
    ours, why = submitted_here(site, path)
    assert theirs is not None
    assert ours is not None, why
    assert_equal(site, theirs, ours)


# Why files of Torc are refused here.
REASONS = (
    "its commands would not be run",
    "have no labels",
    "Torc reads no node",  # which Torc drops without a word
)


@pytest.mark.parametrize("name", files_of_torc())
def test_file_of_torc(site: "Site", name: str) -> None:
    crate = next(crates())
    shutil.copytree(crate / Path(name).parts[0], site.folder / Path(name).parts[0])
    shutil.copytree(crate / "examples", site.folder / "examples", dirs_exist_ok=True)
    file = Path(name)
    theirs = created_by_torc(site, file)
    ours, why = submitted_here(site, file)
    if ours is None:
        assert theirs is None or any(reason in why for reason in REASONS), why
    else:
        assert theirs is not None
        assert_equal(site, theirs, ours)


def test_specification_from_standard_input(site: "Site") -> None:
    theirs = created_by_torc(site, EXAMPLES / "diamond.json5")
    assert theirs is not None
    command = shlex.join([sys.executable, "-m", "torc_watch", "submit", "-", "--allocations", "0"])
    ours = site._run("sh", "-c", f"{command} --json <{EXAMPLES / 'diamond.json5'}")
    assert ours.returncode == 0, ours.stderr
    assert_equal(site, theirs, json.loads(ours.stdout))


def test_run_counts_are_those_of_torc(site: "Site") -> None:
    """`submit` also starts the first run, as `torc workflows init` does."""
    theirs = created_by_torc(site, EXAMPLES / "diamond.json5")
    assert theirs is not None
    assert site.torc("workflows", "init", theirs, "--no-prompts").returncode == 0
    ours, why = submitted_here(site, EXAMPLES / "diamond.json5")
    assert ours is not None, why
    rows = [
        site.request("GET", f"/workflows/{workflow_id}")
        for workflow_id in (theirs, ours["workflow_id"])
    ]
    assert rows[0]["run_id"] == rows[1]["run_id"]
