"""The files of programs that fail, as workflows for allocations of Slurm."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.rigs.torc_on_slurm import Mode, Row, TorcAllocations

MODES: tuple[Mode, ...] = ("direct", "slurm")
# The first lines of a file may say "# modes: direct", where its programs fail in that one alone.
_MODES = re.compile(r"^# modes: (.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramFile:
    """A workflow whose jobs are named after the causes of their failures."""

    path: Path
    modes: tuple[Mode, ...]
    workflow: Row

    @property
    def name(self) -> str:
        return self.path.stem

    def for_slurm(self, mode: Mode, allocations: TorcAllocations) -> Row:
        """The same for one allocation, in which the runner starts jobs in this way.

        A job of another layer is ready soon after the one before, or never.
        """
        execution = self.workflow.get("execution_config", {})
        return {
            "compute_node_wait_for_new_jobs_seconds": 15,
            **self.workflow,
            "slurm_schedulers": [allocations.row],
            "actions": [allocations.action],
            "execution_config": execution | {"mode": mode},
        }


def program_files(paths: list[Path]) -> Iterator[ProgramFile]:
    """Raises ValueError for a file without jobs."""
    for path in paths:
        text = path.read_text()
        workflow: Any = yaml.safe_load(text)
        if not isinstance(workflow, dict) or not workflow.get("jobs"):
            raise ValueError(f"{path} has no jobs")
        found = _MODES.search(text)
        names = found[1].replace(",", " ").split() if found else MODES
        modes = tuple(mode for mode in MODES if mode in names)
        yield ProgramFile(path=path, modes=modes, workflow=workflow)
