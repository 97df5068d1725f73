"""What Slurm costs: queries of thousands of allocations, submission, and a recovery on a cluster.

The second half needs root, Slurm's programs (scripts/setup-slurm) and the real Torc
(scripts/setup-torc).
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import slurm_query
import slurm_recovery
import slurm_submission
from anyio import to_thread

from tests.rigs.slurm_cluster import open_cluster
from tests.rigs.slurm_release import missing_requirement
from tests.rigs.torc_on_slurm import TorcOnSlurm, missing_program, open_torc

MOST_WATCHED = 1_000  # workflows; more change nothing here


async def measure(*, sizes: Sequence[int], seconds: float, repetitions: int) -> dict[str, float]:
    """``sizes`` are ascending numbers of workflows; each is watched for ``seconds``."""
    values = await slurm_query.measure_cycle()
    values |= await slurm_query.measure_watching(sizes, seconds)
    if reason := missing_requirement() or missing_program():
        print(f"Without a cluster: {reason}", flush=True)
        return values
    with TemporaryDirectory() as name, _site(Path(name)) as site:
        values |= await slurm_submission.measure(site, repetitions)
        values |= await to_thread.run_sync(slurm_recovery.measure, site, repetitions)
    return values


@contextmanager
def _site(folder: Path) -> Iterator[TorcOnSlurm]:
    """Its cluster is the one of this process, too."""
    with open_cluster() as cluster, open_torc(cluster, folder) as site:
        before = dict(os.environ)
        os.environ.update({name: site.environment[name] for name in ("PATH", "SLURM_CONF")})
        try:
            yield site
        finally:
            os.environ.clear()
            os.environ.update(before)
