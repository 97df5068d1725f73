"""Plans the allocations of a workflow, from its specification or as it is on the server.

Nothing is changed: the server is only read, and Slurm is asked with `sbatch --test-only`.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from anyio import to_thread

from torc_watch.app.cluster_source import TargetCluster, find_target, known_clusters
from torc_watch.app.slurm_rows import default_options, scheduler_row
from torc_watch.core.errors import InvalidInput, SchedulerUnreachable
from torc_watch.planner.allocation_planner import plan_cluster
from torc_watch.planner.cluster_description import ClusterDescription
from torc_watch.planner.cluster_plan import AllocationGroup, ClusterPlan, NoFit, PlanOptions
from torc_watch.planner.job_kinds import DEFAULT_REQUEST, PlannedJob, SortedJobs, sort_jobs
from torc_watch.planner.unknown_names import unknown_name
from torc_watch.planner.workload import Workload
from torc_watch.schedulers.slurm.start_estimate import StartEstimate, estimate_start
from torc_watch.spec import Spec
from torc_watch.spec.planned_jobs import execution_mode, planned_jobs
from torc_watch.spec.spec_file import read_spec
from torc_watch.torc.requests import NewSlurmScheduler

_OWN_SCHEDULERS = "slurm_schedulers"
_EXAMPLES = 3  # of the names of jobs

Ask = Callable[[NewSlurmScheduler], Awaitable[StartEstimate]]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedPlan:
    """A plan that Slurm was asked about, where it could be.

    ``rows`` and ``starts`` are of its groups: how their allocations are asked for, and when each
    would begin if it were submitted now. ``cluster`` says where the plan was made for.
    """

    cluster: str
    workload: Workload
    plan: ClusterPlan
    rows: tuple[NewSlurmScheduler, ...]
    starts: tuple[datetime | None, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecificationPlan:
    spec: Spec
    jobs: SortedJobs
    checked: CheckedPlan


async def plan_specification(
    path: Path, profile: str | None, options: PlanOptions, *, submits: bool = False
) -> SpecificationPlan:
    """``submits`` says that the plan will be submitted here.

    Raises InvalidInput, and SchedulerError if it ``submits``.
    """
    spec = await to_thread.run_sync(read_spec, path)
    if submits:
        refuse_missing_slurm()
    planned = planned_jobs(spec)
    jobs = sort_jobs(planned)
    defaults = spec.settings.get("slurm_defaults")
    workload = Workload(
        kinds=jobs.kinds, mode=execution_mode(spec.settings.get("execution_config"))
    )
    target = await find_target(profile)
    checked = await check_plan(
        target,
        workload,
        _with_defaults(options, defaults),
        more_options=lambda _: default_options(defaults),
        ask=estimate_start if submits or target.is_here else None,
        needs_answer=submits,
    )
    notes = (*notes_on_requests(planned), *checked.notes)
    return SpecificationPlan(spec=spec, jobs=jobs, checked=replace(checked, notes=notes))


async def check_plan(
    target: TargetCluster,
    workload: Workload,
    options: PlanOptions,
    *,
    more_options: Callable[[AllocationGroup], tuple[str, ...]],
    ask: Ask | None,
    needs_answer: bool = False,
    suffix: str = "",
) -> CheckedPlan:
    """The plan, without partitions where Slurm refuses its allocations.

    Raises InvalidInput for a partition that there is not, and the like, and SchedulerUnreachable if
    ``needs_answer``.
    """
    cluster = target.description
    options, notes = _charged(options, target)
    _refuse_unknown_names(cluster, options)
    if ask is None:
        notes.append(
            "Whether the account and the QOS may be used is not checked: the Slurm of "
            f"{cluster.source} cannot be asked from here."
        )
    now = datetime.now(UTC)
    while True:
        plan = plan_cluster(cluster, workload, options, now)
        rows = tuple(
            scheduler_row(group, f"{group.name}{suffix}", more_options(group))
            for group in plan.groups
        )
        checked = CheckedPlan(
            cluster=cluster.source,
            workload=workload,
            plan=plan,
            rows=rows,
            starts=(None,) * len(rows),
            notes=(*plan.notes, *notes),
        )
        if ask is None or plan.no_fit:
            return checked
        try:
            answers = [await ask(row) for row in rows]
        except SchedulerUnreachable as error:
            if needs_answer:
                raise
            return replace(checked, notes=(*checked.notes, f"Starts are not known: {error}"))
        refusals = {
            row.partition: answer.refusal
            for row, answer in zip(rows, answers, strict=True)
            if answer.refusal
        }
        if not refusals:
            return replace(checked, starts=tuple(answer.begins for answer in answers))
        cluster = _without(cluster, refusals)
        if options.partition or not plan_cluster(cluster, workload, options, now).groups:
            # No other partition helps: the refusals are the reason.
            return replace(checked, plan=_refused(plan, refusals))
        notes += [f"Slurm refuses partition {name}: {why}." for name, why in refusals.items()]


def notes_on_requests(jobs: Iterable[PlannedJob]) -> Iterator[str]:
    """A sentence on those that ask for nothing, if there are any."""
    names = [job.example for job in jobs if job.request == DEFAULT_REQUEST]
    if not names:
        return
    more = ", ..." if len(names) > _EXAMPLES else ""
    listed = ", ".join(names[:_EXAMPLES]) + more
    which = f"Job {listed} has" if len(names) == 1 else f"{len(names):,} jobs ({listed}) have"
    yield (
        f"{which} no resource requirements, and Torc's default for each is 1 CPU, 1 MiB of memory "
        "and 1 minute."
    )


def refuse_missing_slurm() -> None:
    """Raises InvalidInput where there is no Slurm to submit to."""
    if not known_clusters().has_slurm:
        raise InvalidInput(
            "Slurm's commands are not on the PATH: submit on a login node of the cluster. "
            "To see the plan only, give --dry-run."
        )


def refuse_missing_account(plan: ClusterPlan) -> None:
    """Raises InvalidInput: the server's rows name one."""
    if not all(group.account for group in plan.groups):
        raise InvalidInput(
            "No account is known to charge the allocations to: name one with --account. "
            "Yours are listed by: sacctmgr show associations user=$USER format=account"
        )


def refuse_own_schedulers(spec: Spec, path: Path) -> None:
    """Raises InvalidInput for a specification that says itself what to ask Slurm for."""
    if _OWN_SCHEDULERS in spec.ignored:
        raise InvalidInput(
            f"{path} has slurm_schedulers of its own, which are not used here. Submit it as it is "
            f"with `torc submit {path}`, or have its allocations planned with --overwrite."
        )


def with_note_on_own_schedulers(prepared: SpecificationPlan, path: Path) -> CheckedPlan:
    """The plan, and where `refuse_own_schedulers` would refuse it that `submit-slurm` does."""
    checked = prepared.checked
    if _OWN_SCHEDULERS not in prepared.spec.ignored:
        return checked
    note = (
        f"{path} has slurm_schedulers of its own, which are not used here. `torc submit {path}` "
        "uses them; submit-slurm refuses the file, or carries out this plan with --overwrite."
    )
    return replace(checked, notes=(note, *checked.notes))


def _refused(plan: ClusterPlan, refusals: Mapping[str, str]) -> ClusterPlan:
    no_fit = tuple(
        NoFit(
            kind=kind,
            reason=f"Slurm refuses an allocation in partition {group.partition}: "
            f"{refusals[group.partition]}.",
        )
        for group in plan.groups
        if group.partition in refusals
        for kind in group.kinds
    )
    return replace(plan, no_fit=no_fit)


def _without(cluster: ClusterDescription, names: Mapping[str, str]) -> ClusterDescription:
    left = tuple(each for each in cluster.partitions if each.name not in names)
    return replace(cluster, partitions=left)


def _refuse_unknown_names(cluster: ClusterDescription, options: PlanOptions) -> None:
    if why := unknown_name(cluster, options):
        raise InvalidInput(f"{why}.")


def _with_defaults(options: PlanOptions, defaults: object) -> PlanOptions:
    """The account and the QOS of ``slurm_defaults``, where the user says nothing else."""
    values = defaults if isinstance(defaults, Mapping) else {}
    return replace(
        options,
        account=options.account or str(values.get("account") or ""),
        qos=options.qos or str(values.get("qos") or ""),
    )


def _charged(options: PlanOptions, target: TargetCluster) -> tuple[PlanOptions, list[str]]:
    """With the profile's account, where nothing else names one; and a note that says so."""
    account = target.default_account
    if options.account or not account:
        return options, []
    note = f"Account {account} is the default of {target.description.source}: no other was given."
    return replace(options, account=account), [note]
