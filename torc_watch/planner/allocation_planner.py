"""Plans the Slurm allocations for the jobs of a workflow."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime

from torc_watch.planner.allocation_time import MARGIN, whole_minutes
from torc_watch.planner.allotment import shape
from torc_watch.planner.batch import Terms, batch_of
from torc_watch.planner.candidates import find_candidates
from torc_watch.planner.choice import Choice, Site
from torc_watch.planner.cluster_description import ClusterDescription
from torc_watch.planner.cluster_plan import AllocationGroup, ClusterPlan, NoFit, PlanOptions
from torc_watch.planner.division import Part, divide
from torc_watch.planner.family import Family, families
from torc_watch.planner.notes import notes_of
from torc_watch.planner.refusals import Refusals
from torc_watch.planner.submit_limits import within_submit_limits
from torc_watch.planner.workload import ExecutionMode, Workload


def plan_cluster(
    cluster: ClusterDescription, workload: Workload, options: PlanOptions, now: datetime
) -> ClusterPlan:
    """The allocations that a user of the site would ask for, for every kind that any fits.

    Of the partitions that fit a kind, ``Site.choose`` takes the best. Kinds with the same choice,
    the same labels and the same predecessors may share allocations: ``divide`` lets them where this
    asks for fewer node hours. ``allot`` says how many, and how long ones. ``now`` is aware.
    """
    if options.runtime is not None:
        options = replace(options, runtime=whole_minutes(options.runtime))
    found = find_candidates(cluster, options)
    site = Site(cluster, found.usable, options, now)
    refusals = Refusals(cluster, found, site)
    choices: dict[int, Choice] = {}
    no_fit: list[NoFit] = []
    for index, kind in enumerate(workload.kinds):
        choice = site.choose(kind)
        if choice:
            choices[index] = choice
        else:
            no_fit.append(NoFit(kind=index, reason=refusals.reason(kind)))
    planned = list(_parts(workload, site, choices))
    bounded = within_submit_limits(planned, cluster, options)
    return ClusterPlan(
        groups=tuple(_groups(bounded, workload)),
        no_fit=tuple(no_fit),
        notes=notes_of(bounded, workload),
    )


def _parts(
    workload: Workload, site: Site, choices: dict[int, Choice]
) -> Iterator[tuple[Family, Terms, Part]]:
    spreads_jobs = workload.mode is ExecutionMode.SLURM
    for family in families(workload, site, choices):
        choice = choices[family.kinds[0]]
        terms = Terms(
            choice=choice,
            margin=MARGIN,
            job_nodes=family.job_nodes,
            spreads_jobs=spreads_jobs,
            runtime=site.options.runtime,
        )
        batches = [batch_of(workload.kinds[index], choice) for index in family.kinds]
        for part in divide(batches, terms):
            yield family, terms, part


def _groups(
    parts: Iterable[tuple[Family, Terms, Part]], workload: Workload
) -> Iterator[AllocationGroup]:
    for family, terms, part in parts:
        candidate, allotment = terms.choice.candidate, part.allotment
        kinds = tuple(family.kinds[member] for member in part.members)
        yield AllocationGroup(
            name=_name(kinds, workload),
            kinds=kinds,
            account=candidate.account,
            partition=candidate.partition.name,
            qos=candidate.qos,
            shape=shape(part.batch, allotment, terms),
            number=allotment.number,
            jobs=part.batch.jobs,
            jobs_at_once=allotment.jobs_at_once,
            waves=allotment.waves,
            gpu_type=family.gpu_type,
            is_exclusive=candidate.partition.is_exclusive,
            begins_with_jobs=not family.after,
            is_serialized=allotment.is_serialized,
        )


def _name(kinds: tuple[int, ...], workload: Workload) -> str:
    """Of its first kind, with the number of the others; unique by the kind's place."""
    name = workload.kinds[kinds[0]].name
    is_unique = sum(kind.name == name for kind in workload.kinds) == 1
    name = name if is_unique else f"{name}_{kinds[0]}"
    return f"{name}_and_{len(kinds) - 1}_more" if len(kinds) > 1 else name
