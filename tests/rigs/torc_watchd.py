"""Our commands beside the real Torc on a real cluster, started as a user starts them."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.rigs import commands
from tests.rigs.slurm_cluster import wait_until
from tests.rigs.torc_on_slurm import TorcOnSlurm
from torc_watch.core import intervals

_ROOT = Path(__file__).parents[2]
# Believes in a stall sooner than after 45 s: the servers here unblock jobs each second, not twice a
# minute. Tests in virtual time have the real graces.
_PROGRAM = """
from torc_watch.core import intervals
intervals.STALL_GRACE = 10.0
intervals.UNSERVED_GRACE = {unserved_grace}
from torc_watch.__main__ import main
main()
"""
_TIMEOUT = 150.0  # seconds for a watch


@dataclass(frozen=True, slots=True)
class TorcWatchd:
    """Commands run in the folder of ``torc``, and have their state there."""

    torc: TorcOnSlurm

    @property
    def environment(self) -> dict[str, str]:
        return self.torc.environment | {
            "PYTHONPATH": str(_ROOT),
            "TORC_WATCHD_HOME": str(self.torc.folder / "home"),
            "TORC_WATCHD_SLURM_QUERY_INTERVAL": "1",
            "TORC_WATCHD_POLL_INTERVAL": "2",
            "XDG_CONFIG_HOME": str(self.torc.folder),
        }

    def run(self, *words: str | int, status: int = 0) -> str:
        """Runs a command to its end and returns what it printed."""
        done = commands.run(self._words(*words), self.torc.folder, self.environment)
        assert done.returncode == status, self.report(done.stdout + done.stderr)
        return done.stdout

    @contextmanager
    def running(self, *words: str | int | Path) -> Iterator[commands.Command]:
        """A command of ours, killed at the end if it still runs."""
        with self._running(self._words(*words)) as command:
            yield command

    @contextmanager
    def running_torc(self, *words: str | int | Path) -> Iterator[commands.Command]:
        """The same for a command of Torc's own, ``torc run`` for example."""
        with self._running([self.torc.programs / "torc", *map(str, words)]) as command:
            yield command

    @contextmanager
    def _running(self, words: commands.Words) -> Iterator[commands.Command]:
        command = commands.start(words, self.torc.folder, self.environment)
        with command.process:
            try:
                yield command
            finally:
                if command.process.poll() is None:
                    command.kill()

    def watch(self, workflow_id: int, *options: str, status: int = 0) -> str:
        """Watches and recovers a workflow to the verdict; returns what the watch printed."""
        with self.running("watch", workflow_id, "--auto-recover", *options) as watch:
            found = watch.end()
        assert found == status, self.report(watch.output)
        return watch.output

    @contextmanager
    def daemon(self, *, unserved_grace: float = intervals.UNSERVED_GRACE) -> Iterator[None]:
        """A failed assertion gets its log as a note."""
        log = self.torc.folder / "daemon.out"
        with (
            log.open("wb") as output,
            subprocess.Popen(
                self._words("run", unserved_grace=unserved_grace),
                env=self.environment,
                cwd=self.torc.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for the tests alone
            ) as daemon,
        ):
            try:
                yield
            except AssertionError as error:
                error.add_note(self.report(log.read_text()))
                raise
            finally:
                daemon.terminate()

    def wait_for_verdicts(self, *workflow_ids: int) -> dict[int, str]:
        """Waits until the daemon has ended the watches of these; returns each verdict."""

        def have_ended() -> bool:
            listed = self.listed()
            return all(listed.get(number, {}).get("phase") == "ended" for number in workflow_ids)

        wait_until(have_ended, f"the end of {workflow_ids}", _TIMEOUT)
        return {number: self.listed()[number]["verdict"] for number in workflow_ids}

    def listed(self) -> Mapping[int, Any]:
        """What ``list --json`` says of each workflow."""
        workflows = json.loads(self.run("list", "--json"))["workflows"]
        return {row["workflow_id"]: row for row in workflows}

    def report(self, output: str) -> str:
        """For a test that fails: ``output`` of ours, then what Slurm and the runners said."""
        queue = self.torc.cluster.run("squeue", "--states=all", status=None)
        return f"{output}\n{queue}\n{self.torc.runner_logs()}"

    def _words(
        self, *words: str | int | Path, unserved_grace: float = intervals.UNSERVED_GRACE
    ) -> list[str | Path]:
        program = _PROGRAM.format(unserved_grace=unserved_grace)
        return [sys.executable, "-c", program, *map(str, words)]
