"""What accounting lets a user do, and QOS, as sacctmgr prints them. Pure.

What a user's row shows of the Max limits and QOS includes those of the accounts above; of the Grp
limits it does not, so that rows of the accounts are needed too.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from torc_watch.planner.cluster_description import Association, Limits, Qos
from torc_watch.planner.limits import lowest
from torc_watch.schedulers.slurm.control_record import listed
from torc_watch.schedulers.slurm.limit_text import read_count, read_tres, strictest
from torc_watch.schedulers.slurm.slurm_table import rows_after
from torc_watch.torc.slurm_quantities import read_time

_SHOW = ("sacctmgr", "--parsable2", "show")
_ASSOCIATIONS = (
    *("Account", "Partition", "QOS", "Def QOS", "MaxWall", "MaxTRES", "MaxTRESPerNode"),
    *("MaxJobs", "MaxSubmit", "GrpTRES", "GrpJobs", "GrpSubmit", "ParentName"),
)
_QOS = (
    *("Name", "Flags", "MaxWall", "MaxTRES", "MaxTRESPerNode", "MaxTRESPU", "MaxTRESPA", "GrpTRES"),
    *("MaxJobsPU", "MaxJobsPA", "GrpJobs", "MaxSubmitPU", "MaxSubmitPA", "GrpSubmit"),
)
_USERS = ("User", "Def Acct")
_WITHOUT_TIME_LIMIT = "PartitionTimeLimit"

QOS_COMMAND = (*_SHOW, "qos", f"format={','.join(_QOS)}")


@dataclass(frozen=True, slots=True)
class AssociationRow:
    """A row of a user, or of an account; ``fields`` by their headings."""

    fields: Mapping[str, str]

    @property
    def account(self) -> str:
        return self.fields["Account"]

    @property
    def parent(self) -> str:
        return self.fields["ParentName"]


def associations_command(cluster: str, user: str) -> tuple[str, ...]:
    """``user`` "" is for the rows of the accounts."""
    columns = ",".join(_ASSOCIATIONS).replace("Def QOS", "DefaultQOS")
    only = ("where", f"user={user}", f"cluster={cluster}")
    return (*_SHOW, "associations", *only, f"format={columns}")


def default_account_command(user: str) -> tuple[str, ...]:
    return (*_SHOW, "user", user, "format=User,DefaultAccount")


def parse_association_rows(text: str) -> tuple[AssociationRow, ...]:
    """Raises SchedulerUnreachable if the answer is not complete."""
    return tuple(
        AssociationRow(dict(zip(_ASSOCIATIONS, row, strict=True)))
        for row in rows_after(text, _ASSOCIATIONS)
    )


def parse_default_account(text: str) -> str:
    """Empty for a user that accounting does not know. Raises SchedulerUnreachable."""
    return next((account for _, account in rows_after(text, _USERS)), "")


def parse_qos(text: str) -> dict[str, Qos]:
    """By name. Raises SchedulerUnreachable if the answer is not complete."""
    rows = (dict(zip(_QOS, row, strict=True)) for row in rows_after(text, _QOS))
    return {row["Name"]: _qos(row) for row in rows}


def associations_of(
    rows: Sequence[AssociationRow], accounts: Sequence[AssociationRow], default_account: str
) -> tuple[Association, ...]:
    """``rows`` are the user's, ``accounts`` those of all accounts that the user may see."""
    by_name = {account.account: account for account in accounts}
    return tuple(
        Association(
            account=row.account,
            partition=row.fields["Partition"],
            qos=listed(row.fields["QOS"]),
            default_qos=row.fields["Def QOS"],
            is_default=row.account == default_account,
            limits=_limits(row, list(_above(row, by_name))),
        )
        for row in rows
    )


def _above(row: AssociationRow, accounts: Mapping[str, AssociationRow]) -> Iterator[AssociationRow]:
    """The row's account, then those above it. Each is there once, whatever the table says."""
    left = dict(accounts)
    account = left.pop(row.account, None)
    while account is not None:
        yield account
        account = left.pop(account.parent, None)


def _limits(row: AssociationRow, accounts: Sequence[AssociationRow]) -> Limits:
    fields, groups = row.fields, [each.fields for each in (row, *accounts)]
    return Limits(
        max_runtime=read_time(fields["MaxWall"]),
        per_job=read_tres(fields["MaxTRES"]),
        per_node=read_tres(fields["MaxTRESPerNode"]),
        in_all=strictest(*(read_tres(each["GrpTRES"]) for each in groups)),
        max_submitted=lowest(
            read_count(fields["MaxSubmit"]), *(read_count(each["GrpSubmit"]) for each in groups)
        ),
        max_running=lowest(
            read_count(fields["MaxJobs"]), *(read_count(each["GrpJobs"]) for each in groups)
        ),
    )


def _qos(row: Mapping[str, str]) -> Qos:
    submitted = (row[name] for name in ("MaxSubmitPU", "MaxSubmitPA", "GrpSubmit"))
    running = (row[name] for name in ("MaxJobsPU", "MaxJobsPA", "GrpJobs"))
    return Qos(
        name=row["Name"],
        limits=Limits(
            max_runtime=read_time(row["MaxWall"]),
            per_job=read_tres(row["MaxTRES"]),
            per_node=read_tres(row["MaxTRESPerNode"]),
            per_user=read_tres(row["MaxTRESPU"]),
            in_all=strictest(read_tres(row["MaxTRESPA"]), read_tres(row["GrpTRES"])),
            max_submitted=lowest(*map(read_count, submitted)),
            max_running=lowest(*map(read_count, running)),
        ),
        overrides_partition_runtime=_WITHOUT_TIME_LIMIT in listed(row["Flags"]),
    )
