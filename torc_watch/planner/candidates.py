"""Where a user may submit allocations: the partitions, with an account and a QOS for each."""

from collections.abc import Iterator
from dataclasses import dataclass

from torc_watch.planner.cluster_description import (
    Access,
    Association,
    ClusterDescription,
    Limits,
    NodeKind,
    Partition,
    Qos,
)
from torc_watch.planner.cluster_plan import PlanOptions
from torc_watch.planner.limits import NamedLimits


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidate:
    """Nodes of one kind in a partition, and under which account and QOS to ask for them.

    ``is_usual`` says that the QOS is what allocations get that name none. ``rank`` is the place of
    the partition in the cluster's list.
    """

    partition: Partition
    node: NodeKind
    account: str
    qos: str
    is_usual: bool
    limits: tuple[NamedLimits, ...]
    ignores_partition_runtime: bool
    rank: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """``reasons`` says of each other partition why the user may not use it: "is DOWN"."""

    usable: tuple[Candidate, ...]
    reasons: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Right:
    """One way in which the user may ask for a partition."""

    account: str
    association: Association | None
    qos: str
    is_usual: bool


def find_candidates(cluster: ClusterDescription, options: PlanOptions) -> Candidates:
    usable: list[Candidate] = []
    reasons: dict[str, str] = {}
    for rank, partition in enumerate(cluster.partitions):
        if options.partition and partition.name != options.partition:
            continue
        reason = _closed(cluster, partition, options)
        rights = [] if reason else list(_rights(cluster, partition, options))
        usable.extend(
            _candidate(cluster, partition, node, right, rank)
            for right in rights
            for node in partition.kinds
            if node.count
        )
        if not rights:
            reasons[partition.name] = reason or _not_admitted(cluster, partition, options)
    return Candidates(usable=tuple(usable), reasons=reasons)


def _closed(cluster: ClusterDescription, partition: Partition, options: PlanOptions) -> str:
    if not partition.is_up:
        return f"is {partition.state}"
    if not any(node.count for node in partition.kinds):
        return "has no node that is in service"
    if partition.is_on_request and options.partition != partition.name:
        return "is used only if you name it"
    groups = partition.groups
    if groups.allowed is not None and not any(map(groups.admits, cluster.groups)):
        return f"admits only groups {_names(groups.allowed)}"
    return ""


def _rights(
    cluster: ClusterDescription, partition: Partition, options: PlanOptions
) -> Iterator[_Right]:
    for account, association in _accounts(cluster, partition, options):
        if not _admits(partition.accounts, account):
            continue
        for qos, is_usual in _qos_names(association, options):
            if _admits(partition.allowed_qos, qos):
                yield _Right(account=account, association=association, qos=qos, is_usual=is_usual)


def _admits(access: Access, name: str) -> bool:
    """Without a name, only where everybody is admitted."""
    return access.admits(name) if name else access.allowed is None


def _candidate(
    cluster: ClusterDescription, partition: Partition, node: NodeKind, right: _Right, rank: int
) -> Candidate:
    known = cluster.qos or {}
    own, of_job = known.get(partition.qos), known.get(right.qos)
    return Candidate(
        partition=partition,
        node=node,
        account=right.account,
        qos=right.qos,
        is_usual=right.is_usual,
        limits=tuple(_limits(own, of_job, right.association)),
        ignores_partition_runtime=bool(of_job and of_job.overrides_partition_runtime),
        rank=rank,
    )


def _limits(
    own: Qos | None, of_job: Qos | None, association: Association | None
) -> Iterator[NamedLimits]:
    for qos in dict.fromkeys((own, of_job)):
        if qos and qos.limits != Limits():
            yield NamedLimits(f"QOS {qos.name}", qos.limits)
    if association and association.limits != Limits():
        yield NamedLimits(f"account {association.account}", association.limits)


def _accounts(
    cluster: ClusterDescription, partition: Partition, options: PlanOptions
) -> Iterator[tuple[str, Association | None]]:
    """The account asked for, else the default one. An association for the partition goes first."""
    if cluster.associations is None:
        yield options.account, None
        return
    wanted = options.account or default_account(cluster)
    of_account = [each for each in cluster.associations if each.account == wanted]
    for name in (partition.name, ""):
        for each in of_account:
            if each.partition == name:
                yield each.account, each
                return


def default_account(cluster: ClusterDescription) -> str:
    """ "" where there is none."""
    associations = cluster.associations or ()
    default = (each.account for each in associations if each.is_default)
    return next(default, associations[0].account if associations else "")


def _qos_names(association: Association | None, options: PlanOptions) -> list[tuple[str, bool]]:
    """Those that the user has, and whether each is the usual one."""
    if options.qos:
        is_known = association is None or not association.qos or options.qos in association.qos
        return [(options.qos, True)] if is_known else []
    if association is None or not association.qos:
        return [(association.default_qos if association else "", True)]
    usual = association.default_qos
    if not usual:
        usual = "normal" if "normal" in association.qos else association.qos[0]
    return [(name, name == usual) for name in dict.fromkeys((usual, *association.qos))]


def _not_admitted(cluster: ClusterDescription, partition: Partition, options: PlanOptions) -> str:
    accounts = dict(_accounts(cluster, partition, options))
    account = options.account or default_account(cluster)
    if not accounts:
        return f"is not for account {account}, by your associations"
    if not _admits(partition.accounts, account):
        if partition.accounts.allowed is None:
            return f"does not admit account {account}"
        return f"admits only accounts {_names(partition.accounts.allowed)}"
    if not any(_qos_names(each, options) for each in accounts.values()):
        return f"needs a QOS that account {account} has, and {options.qos} is none"
    if partition.allowed_qos.allowed is None:
        return f"does not admit QOS {options.qos}" if options.qos else "does not admit your QOS"
    return f"admits only QOS {_names(partition.allowed_qos.allowed)}"


def _names(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))
