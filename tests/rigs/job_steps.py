"""The steps of a running allocation."""

from tests.rigs.slurm_cluster import SlurmCluster


def step_of(cluster: SlurmCluster, number: str, name: str) -> str:
    """The step, ``7.1``, whose name begins so. Raises StopIteration where none does."""
    words = ("squeue", "--steps", "--noheader", "--format=%i %j", "--jobs", number)
    steps = (line.split(maxsplit=1) for line in cluster.run(*words).splitlines())
    return next(step for step, title in steps if title.startswith(name))
