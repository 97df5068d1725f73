"""A real Torc server on a site, and Torc's command of the same version."""

import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.rigs.real_torc import announced_url, server_command

if TYPE_CHECKING:
    from tests.acceptance.conftest import Site
    from tests.rigs.commands import Command

WATCH = ("watch", "1", "--auto-recover", "--poll-interval", "1", "--show-job-counts")
CREATE = {"0.12.2": ("workflows", "create"), "1.0.0": ("create",)}
TorcProgram = Callable[[str, str], Path]  # the path of a program, by version and name


@dataclass(frozen=True, slots=True)
class Torc:
    """A real server with an empty database, and Torc's command of the same version."""

    site: "Site"
    version: str
    program: Path

    @property
    def variables(self) -> dict[str, str]:
        return {"TORC_WATCHD_LOCAL_RUNNER": str(self.program)}

    def create(self, specification: str | Path) -> None:
        """Workflow 1, by Torc's own command."""
        path = self.site.folder / "workflow.yaml"
        if isinstance(specification, Path):
            shutil.copy(specification, path)
        else:
            path.write_text(specification)
        created = self.site.start_program(self.program, *CREATE[self.version], path)
        assert created.end() == 0, created.output
        assert "Created workflow 1\n" in created.output

    def run(self, *options: str) -> "Command":
        """What a user types."""
        words = ["run", "1", "--output-dir", str(self.site.output), "--poll-interval", "0.5"]
        return self.site.start_program(self.program, *words, *options)

    def submit(self, specification: str) -> None:
        """Workflow 1, by our command; its allocation runs Torc's."""
        path = self.site.folder / "workflow.yaml"
        path.write_text(specification)
        submitted = self.site.run("submit", path, "--cpus", "2", **self.variables)
        assert submitted.returncode == 0, submitted.stderr

    def watch(self, *options: str, **variables: str) -> "Command":
        return self.site.start(*WATCH, *options, **self.variables, **variables)

    def runners(self) -> list[int]:
        """The processes of ``torc run``."""
        lines = self.site.processes().items()
        return [pid for pid, line in lines if line.startswith(f"{self.program} --url")]

    def rows(self, path: str, **query: str) -> list[Any]:
        words = "".join(f"&{name}={value}" for name, value in query.items())
        answer = self.site.request("GET", f"/{path}?workflow_id=1{words}")
        items: list[Any] = answer["items"]
        return items

    def ends(self) -> Counter[tuple[int, int]]:
        """How many jobs ended with each run and return code."""
        results = self.rows("results", all_runs="true")
        return Counter((result["run_id"], result["return_code"]) for result in results)

    def allocations(self) -> list[tuple[int, str]]:
        rows = self.rows("scheduled_compute_nodes")
        return [(row["scheduler_id"], row["status"]) for row in rows]


def open_torc(site: "Site", version: str, torc_program: TorcProgram) -> Torc:
    """Starts the server on an empty database; the site ends it."""
    (site.folder / "server").mkdir()
    program = torc_program(version, "torc-server")
    command = server_command(program, site.folder / "server", unblock_interval=0.2)
    site.server = site.start_program(*command)
    site.url = announced_url([site.server.until("TORC_SERVER_PORT=")])
    return Torc(site, version, torc_program(version, "torc"))
