"""The counts of scripts/house for small programs."""

from pathlib import Path

import pytest
from house import exceeded_limits, numbers_of
from import_graph import When, cycles, import_graph
from modules import Module, read_modules
from repeated_names import repeated_stems, repeated_types
from server_routes import served, used

ROOT = Path(__file__).parents[2]
CLIENT = """
async def show(self, job_id: int) -> None:
    path = f"/jobs/{job_id}"
    await self.transport.put(f"{path}/start", body="/not/a/path")
    await gather([partial(count, self.transport, path)])
    read("/jobs")
"""


def program(folder: Path, **texts: str) -> list[Module]:
    """A package ``app`` with a module for each text; two underscores stand for a subpackage."""
    for name, text in texts.items():
        path = folder / "app" / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return read_modules(folder, "app")


def test_names_with_several_meanings(tmp_path: Path) -> None:
    modules = program(
        tmp_path,
        a__events="class Event: ...\nclass _Hidden: ...\nLIMIT = 1\nRow = dict[str, int]\n",
        b__events="Event: TypeAlias = str\nclass _Hidden: ...\nLIMIT = 2\n",
        c="def row() -> None:\n    class Row: ...\n",
    )
    assert repeated_stems(modules) == {"events": ["app.a.events", "app.b.events"]}
    assert repeated_types(modules) == {"Event": ["app.a.events", "app.b.events"]}


@pytest.mark.parametrize(
    ("back", "when"),
    [
        ("from app import a", When.LOADING),
        ("import app.a", When.LOADING),
        ("if TYPE_CHECKING:\n    from app.a import A", When.TYPE_CHECKING),
        ("def f() -> None:\n    from app.a import A", When.CALLING),
    ],
)
def test_import_cycle_is_found_with_the_time_of_its_imports(
    tmp_path: Path, back: str, when: When
) -> None:
    modules = program(tmp_path, a="from app.b import B", b="from app.c import C", c=back)
    modules += program(tmp_path / "more", d="import app.a")

    assert cycles(import_graph(modules, {When.LOADING, when})) == [["app.a", "app.b", "app.c"]]
    assert cycles(import_graph(modules, set(When) - {when})) == []


def test_each_exceeded_limit_is_reported(tmp_path: Path) -> None:
    long = "def run() -> None:\n" + "    pass\n" * 60
    modules = program(
        tmp_path, watching="class Job: ...\nimport app.b", b="class Job: ...\n" + long
    )
    modules += program(tmp_path / "more", c="import app.c", utils="")

    reported = list(exceeded_limits(modules))

    assert [line.split()[0] for line in reported] == [
        "app.watching",
        "app.utils",
        "Job",
        "Modules",
        "app/b.py:2:",
    ]
    assert list(exceeded_limits(program(tmp_path / "good", a="import os", b="import app.a"))) == []


def test_lines_and_functions_are_counted(tmp_path: Path) -> None:
    numbers = numbers_of(
        program(tmp_path, a="@cache\ndef f() -> None:\n    import os\n\n\nx = 1\n")
    )

    assert (numbers["lines"], numbers["functions"], numbers["imports in functions"]) == (6, 1, 1)
    assert numbers["lines of a function: max"] == 2


def test_routes_are_read_from_the_client_s_source(tmp_path: Path) -> None:
    folder = tmp_path / "torc_watch/torc"
    folder.mkdir(parents=True)
    (folder / "client.py").write_text(CLIENT)

    assert used(read_modules(tmp_path, "torc_watch")) == {
        ("PUT", "/jobs/{}/start"),
        ("GET", "/jobs/{}"),
    }


def test_embedded_server_serves_every_route_that_the_client_calls() -> None:
    """At least one version of the API has the route."""
    assert used(read_modules(ROOT, "torc_watch")) <= set().union(*served().values())
