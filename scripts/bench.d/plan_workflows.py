"""Workflows whose allocations are planned: the shapes that users of a cluster have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.rigs.torc_on_slurm import Row

_SHARE = 0.5  # of the run time that a job requests, it takes
_SHARE_OF_A_MINUTE = 0.75


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """``minutes`` is the run time that usual jobs request; ``jobs`` multiplies their number."""

    minutes: int
    jobs: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Jobs:
    """Jobs that are alike."""

    name: str
    number: int
    minutes: int
    num_cpus: int = 1
    num_gpus: int = 0
    after: Sequence[str] = ()

    @property
    def names(self) -> Sequence[str]:
        return [f"{self.name}_{number}" for number in range(self.number)]

    @property
    def requirements(self) -> Row:
        amounts = {"num_cpus": self.num_cpus, "num_gpus": self.num_gpus, "num_nodes": 1}
        return {"name": self.name, "memory": "100m", "runtime": f"PT{self.minutes}M", **amounts}

    @property
    def rows(self) -> Sequence[Row]:
        share = _SHARE if self.minutes > 1 else _SHARE_OF_A_MINUTE
        command = f"sleep {round(self.minutes * 60 * share)}"
        row = {"command": command, "resource_requirements": self.name}
        return [{"name": name, "depends_on": list(self.after), **row} for name in self.names]


def workflows(scale: Scale) -> Mapping[str, Row]:
    """A specification for each name; without schedulers and actions, which are what is planned."""
    minutes, times = scale.minutes, scale.jobs
    prepare = _Jobs(name="prepare", number=8 * times, minutes=minutes)
    after = prepare.names
    train = _Jobs(name="train", number=3 * times, minutes=minutes, num_cpus=4, after=after)
    large = _Jobs(name="large", number=2 * times, minutes=minutes, num_cpus=4)
    return {
        "wide": _specification(_Jobs(name="small", number=16 * times, minutes=minutes)),
        "chain": _chain(_Jobs(name="link", number=4, minutes=minutes)),
        "two layers": _specification(prepare, train),
        "GPU": _specification(_Jobs(name="gpu", number=8 * times, minutes=minutes, num_gpus=1)),
        "one minute": _specification(_Jobs(name="minute", number=12 * times, minutes=1)),
        "two sizes": _specification(_Jobs(name="small", number=8 * times, minutes=minutes), large),
    }


def _specification(*kinds: _Jobs) -> Row:
    return {
        "name": "planned",
        "resource_requirements": [each.requirements for each in kinds],
        "jobs": [row for each in kinds for row in each.rows],
    }


def _chain(links: _Jobs) -> Row:
    specification = _specification(links)
    jobs = specification["jobs"]
    for before, row in zip(links.names, jobs[1:], strict=False):
        row["depends_on"] = [before]
    return specification
