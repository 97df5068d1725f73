"""`torc-watchd watch --auto-recover` compared with `torc watch --recover` on a real Slurm cluster.

Each recovers the workflow of ``short_requests``, one after the other, on the same cluster of whole
nodes and the same server, submitted by Torc itself and with the defaults of both, except for the
interval of their polls: the jobs take seconds, not hours.

It needs root, Slurm's programs (scripts/setup-slurm), whose memory limits are cgroups, and the real
Torc (scripts/setup-torc).
"""

import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import short_requests
from anyio import to_thread
from recovery_costs import ALLOCATION_FIELDS, Costs, costs, ratios, table, values

from tests.rigs.slurm_cluster import SlurmCluster, open_cluster, wait_until
from tests.rigs.slurm_release import missing_requirement
from tests.rigs.torc_on_slurm import TorcOnSlurm, missing_program, open_torc

POLL_INTERVAL = 2  # seconds, of both watches and of the first workers
OURS, THEIRS = "torc-watchd watch --auto-recover", "torc watch --recover"
_WHOLE = ("short", "standard", "debug")
_TIMEOUT = 1800.0  # seconds for a watch
_LEAVING = 300.0  # seconds for workers after it


@dataclass(frozen=True, slots=True)
class Recovery:
    """How a watch ended, and what the recovery cost."""

    program: str
    status: int
    costs: Costs

    def __str__(self) -> str:
        of = self.costs
        return (
            f"{self.program}: status {self.status}, {of.completed} of {of.jobs} jobs completed, "
            f"{of.makespan:.0f} s, {of.failed_attempts} failed attempts, "
            f"{of.node_hours:.3f} node hours in {len(of.allocations)} allocations"
        )


async def measure(*, repetitions: int, logs: Path | None) -> dict[str, float]:
    """``logs``: a folder that keeps what the programs printed and the workers logged."""
    if reason := missing_requirement() or missing_program():
        print(f"No comparison on a cluster: {reason}", flush=True)
        return {}
    return await to_thread.run_sync(_measure, repetitions, logs)


def _measure(repetitions: int, logs: Path | None) -> dict[str, float]:
    with open_cluster(small_nodes=short_requests.NODES) as cluster:
        if cluster.memory_enforcement != "cgroup":
            print("No comparison on a cluster: its memory limits need cgroups of version 1")
            return {}
        for partition in _WHOLE:
            words = (f"PartitionName={partition}", "OverSubscribe=EXCLUSIVE")
            cluster.run("scontrol", "update", *words)
        pairs = [_compare(cluster, repetition, logs) for repetition in range(repetitions)]
    return _means(pairs)


def _compare(cluster: SlurmCluster, repetition: int, logs: Path | None) -> dict[str, float]:
    """The programs take turns in being first."""
    found = {}
    for program in sorted((OURS, THEIRS), reverse=bool(repetition % 2)):
        kept = logs / f"{repetition + 1}-{program.split()[0]}" if logs else None
        with _site(cluster, kept) as site:
            found[program] = recover(site, program)
        print(found[program], flush=True)
    ours, theirs = found[OURS].costs, found[THEIRS].costs
    print(f"\n{table(ours, theirs, (OURS, THEIRS))}\n", flush=True)
    divided = {f"ratio: {label}": ratio for label, ratio in ratios(ours, theirs).items()}
    return values(OURS, ours) | values(THEIRS, theirs) | divided


@contextmanager
def _site(cluster: SlurmCluster, kept: Path | None) -> Iterator[TorcOnSlurm]:
    """A server of its own for each workflow. Its folder is kept as ``kept``."""
    with TemporaryDirectory(prefix="torc-watch-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        try:
            with open_torc(cluster, folder) as site:
                yield site
        finally:
            cluster.cancel_all()
            if kept:
                shutil.copytree(folder, kept, dirs_exist_ok=True)


def recover(site: TorcOnSlurm, program: str) -> Recovery:
    """Submits the workflow, and watches it until the program ends and its workers have left."""
    workflow_id = site.create_from(short_requests.workflow())
    submitted = time.time()
    site.submit(workflow_id, poll_interval=POLL_INTERVAL)
    status = _watch(site, program, workflow_id)
    allocations = _wait_for_leaving(site, workflow_id)
    listed = ",".join(map(str, allocations))
    fields = f"--format={','.join(ALLOCATION_FIELDS)}"
    jobs = site.rows("/jobs", workflow_id)
    results = site.rows("/results", workflow_id, all_runs="true")
    accounting = site.cluster.run("sacct", "-X", "-n", "-P", f"--jobs={listed}", fields)
    kept = {"submitted": submitted, "jobs": jobs, "results": results, "accounting": accounting}
    (site.folder / "rows.json").write_text(json.dumps(kept, indent=1))
    return Recovery(program, status, costs(jobs, results, accounting, submitted=submitted))


def _watch(site: TorcOnSlurm, program: str, workflow_id: int) -> int:
    with (site.folder / "watch.log").open("wb") as log:
        done = subprocess.run(
            _command(site, program, workflow_id),
            cwd=site.folder,
            env=site.environment | {"TORC_WATCHD_HOME": str(site.folder / "home")},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            check=False,
            timeout=_TIMEOUT,
        )
    return done.returncode


def _command(site: TorcOnSlurm, program: str, workflow_id: int) -> Sequence[str | Path]:
    options = ["--poll-interval", str(POLL_INTERVAL), "--output-dir", str(site.output_folder)]
    if program == OURS:
        ours = (sys.executable, "-m", "torc_watch", "watch", str(workflow_id), "--auto-recover")
        return [*ours, *options]
    return [site.programs / "torc", "watch", str(workflow_id), "--recover", *options]


def _wait_for_leaving(site: TorcOnSlurm, workflow_id: int) -> Sequence[int]:
    """The numbers of the workflow's allocations, none of which runs any more."""

    def have_left() -> bool:
        return not site.cluster.run("squeue", "--noheader", "--format=%A").split()

    try:
        wait_until(have_left, "the end of the workers", _LEAVING)
    except AssertionError:
        site.cluster.cancel_all()
    numbers = sorted(site.allocations(workflow_id))
    for number in numbers:
        site.cluster.wait_for_end(number)
    return numbers


def _means(found: Sequence[dict[str, float]]) -> dict[str, float]:
    labels = dict.fromkeys(label for each in found for label in each)
    return {
        label: statistics.mean(each[label] for each in found if label in each) for label in labels
    }
