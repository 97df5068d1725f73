"""Which limits accounting sets, and which commands are run to know a cluster."""

from collections.abc import Mapping

import pytest

from torc_watch.core.errors import SchedulerCommandMissing, SchedulerError, SchedulerUnreachable
from torc_watch.core.units import GIB, MIB
from torc_watch.planner.cluster_description import (
    Association,
    ClusterDescription,
    Limits,
    Qos,
    Tres,
)
from torc_watch.schedulers.slurm.association_table import (
    associations_of,
    parse_association_rows,
    parse_default_account,
    parse_qos,
)
from torc_watch.schedulers.slurm.cluster_query import ClusterUser, describe_cluster
from torc_watch.schedulers.slurm.query_policy import QUERY_ATTEMPTS

_USER = ClusterUser(name="ann", number=2001, groups=frozenset({"staff"}))
_ROWS = (
    "Account|Partition|QOS|Def QOS|MaxWall|MaxTRES|MaxTRESPerNode|"
    "MaxJobs|MaxSubmit|GrpTRES|GrpJobs|GrpSubmit|ParentName\n"
)
_OWN = f"""\
Please read the news.
{_ROWS}kid|debug|limited||1-00:00:00||cpu=3||7|cpu=90|||
kid||limited,normal|normal|1-00:00:00|cpu=50,mem=1500M|cpu=3|5|1000||||
alone||normal|||||||gres/gpu=2|||
"""
_ACCOUNTS = f"""\
{_ROWS}root||normal||||||1000||||
science||normal||||cpu=3||1000|node=3,cpu=200|9|11|root
kid||normal||1-00:00:00||cpu=3||1000|cpu=100,gres/gpu=4,mem=10G|||science
other||normal||||||1000|cpu=1|1|1|root
"""
_QOS_HEADING = (
    "Name|Flags|MaxWall|MaxTRES|MaxTRESPerNode|MaxTRESPU|MaxTRESPA|GrpTRES|"
    "MaxJobsPU|MaxJobsPA|GrpJobs|MaxSubmitPU|MaxSubmitPA|GrpSubmit\n"
)
_QOS = f"""\
{_QOS_HEADING}normal|||||||||||||
limited|DenyOnLimit|00:10:00|||||||||2||
big|OverPartQOS,PartitionTimeLimit|2-00:00:00|cpu=8,gres/gpu:h100=1,gres/gpu=2|mem=500M|cpu=20|\
cpu=40|node=4,cpu=50|9|3|8||6|12
"""


def test_limits_of_a_user_are_those_of_the_row_and_of_the_accounts_above() -> None:
    rows, accounts = parse_association_rows(_OWN), parse_association_rows(_ACCOUNTS)

    in_kid = Tres(num_cpus=100, memory=10 * GIB, num_nodes=3, num_gpus=4)
    assert associations_of(rows, accounts, "kid") == (
        Association(
            account="kid",
            partition="debug",
            qos=("limited",),
            is_default=True,
            limits=Limits(
                max_runtime=86400,
                per_node=Tres(num_cpus=3),
                in_all=Tres(num_cpus=90, memory=10 * GIB, num_nodes=3, num_gpus=4),
                max_submitted=7,
                max_running=9,
            ),
        ),
        Association(
            account="kid",
            qos=("limited", "normal"),
            default_qos="normal",
            is_default=True,
            limits=Limits(
                max_runtime=86400,
                per_job=Tres(num_cpus=50, memory=1500 * MIB),
                per_node=Tres(num_cpus=3),
                in_all=in_kid,
                max_submitted=11,
                max_running=5,
            ),
        ),
        # Of an account that the user may not see.
        Association(account="alone", qos=("normal",), limits=Limits(in_all=Tres(num_gpus=2))),
    )


def test_accounts_above_each_other_end() -> None:
    """No table of Slurm is so; but one that was would be read for ever."""
    rows = parse_association_rows(f"{_ROWS}a||||||||||||\n")
    accounts = parse_association_rows(f"{_ROWS}a|||||||||||3|b\nb|||||||||||2|a\n")

    (found,) = associations_of(rows, accounts, "")

    assert found.limits.max_submitted == 2


def test_limits_of_qos() -> None:
    assert parse_qos(f"A banner\n{_QOS}") == {
        "normal": Qos(name="normal"),
        "limited": Qos(name="limited", limits=Limits(max_runtime=600, max_submitted=2)),
        "big": Qos(
            name="big",
            limits=Limits(
                max_runtime=172800,
                per_job=Tres(num_cpus=8, num_gpus=2),
                per_node=Tres(memory=500 * MIB),
                per_user=Tres(num_cpus=20),
                in_all=Tres(num_cpus=40, num_nodes=4),
                max_submitted=6,
                max_running=3,
            ),
            overrides_partition_runtime=True,
        ),
    }


@pytest.mark.parametrize(
    ("text", "account"),
    [
        ("User|Def Acct\nann|science\n", "science"),
        ("A banner\nUser|Def Acct\nann|\n", ""),
        ("User|Def Acct\n", ""),  # of a user that accounting does not know
    ],
)
def test_default_account(text: str, account: str) -> None:
    assert parse_default_account(text) == account


@pytest.mark.parametrize("parse", [parse_qos, parse_association_rows, parse_default_account])
def test_answer_without_heading_is_none(parse: object) -> None:
    assert callable(parse)
    with pytest.raises(SchedulerUnreachable, match="heading"):
        parse("")


_CONFIG = """\
ClusterName = c
AccountingStorageType = accounting_storage/slurmdbd
AccountingStorageEnforce = associations,limits
"""
_ANSWERS: Mapping[str, str] = {
    "config": _CONFIG,
    "node": "NodeName=n1 CPUTot=4 RealMemory=1000 State=IDLE Partitions=p\n",
    "partition": "PartitionName=p State=UP\n",
    "reservation": "No reservations in the system\n",
    "qos": f"{_QOS_HEADING}limited||00:10:00|||||||||2||\n",
    "associations": f"{_ROWS}a||limited||01:00:00||||||||\n",
    "user": "User|Def Acct\nann|a\n",
    "squeue": "Welcome\nJOBID\n7\n8\n\n",
}


class _Slurm:
    """Answers by what is shown; an answer may be an error. ``calls`` has the commands."""

    def __init__(self, **answers: str | SchedulerError) -> None:
        self._answers = {**_ANSWERS, **answers}
        self.calls: list[tuple[str, ...]] = []

    async def __call__(self, *command: str) -> str:
        self.calls.append(command)
        shown = command[command.index("show") + 1] if "show" in command else command[0]
        answer = self._answers[shown]
        if isinstance(answer, SchedulerError):
            raise answer
        return answer

    @property
    def programs(self) -> set[str]:
        return {command[0] for command in self.calls}


async def _describe(slurm: _Slurm) -> ClusterDescription:
    return await describe_cluster(_USER, slurm)


async def test_what_each_command_adds() -> None:
    slurm = _Slurm()

    description = await _describe(slurm)

    limits = Limits(max_runtime=600, max_submitted=2)
    assert description.name == "c"
    assert description.groups == {"staff"}
    assert description.queued == 2
    assert [(each.name, len(each.kinds)) for each in description.partitions] == [("p", 1)]
    assert description.qos == {"limited": Qos(name="limited", limits=limits)}
    assert description.associations == (
        Association(
            account="a", qos=("limited",), is_default=True, limits=Limits(max_runtime=3600)
        ),
    )
    assert any("user=ann" in command and "cluster=c" in command for command in slurm.calls)
    assert any("--user=2001" in command for command in slurm.calls)


async def test_limits_that_are_not_enforced_are_none() -> None:
    slurm = _Slurm(config=_CONFIG.replace(",limits", ""))

    description = await _describe(slurm)

    assert description.qos == {"limited": Qos(name="limited")}
    assert description.associations == (
        Association(account="a", qos=("limited",), is_default=True),
    )


@pytest.mark.parametrize(
    "config", [_CONFIG.replace("slurmdbd", "none"), _CONFIG.replace("associations,limits", "none")]
)
async def test_accounting_that_binds_no_job_is_not_asked(config: str) -> None:
    slurm = _Slurm(config=config)

    description = await _describe(slurm)

    assert (description.qos, description.associations) == (None, None)
    assert "sacctmgr" not in slurm.programs


async def test_without_sacctmgr_there_is_no_accounting() -> None:
    description = await _describe(_Slurm(qos=SchedulerCommandMissing("sacctmgr: no such file")))

    assert (description.qos, description.associations) == (None, None)
    assert description.queued == 2


@pytest.mark.parametrize("what", ["config", "node", "partition", "reservation", "qos", "squeue"])
@pytest.mark.looptime
async def test_daemon_that_does_not_answer_is_asked_again_and_then_reported(what: str) -> None:
    slurm = _Slurm(**{what: SchedulerUnreachable("it hangs")})

    with pytest.raises(SchedulerUnreachable, match="hangs"):
        await _describe(slurm)

    assert slurm.calls[-1] == slurm.calls[-QUERY_ATTEMPTS]
