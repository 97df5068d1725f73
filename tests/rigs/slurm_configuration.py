"""What the cluster of the tests is: a small center's partitions, accounts and limits.

| partition | |
|---|---|
| short | at most 5 minutes |
| standard | the default; at most a day |
| bigmem | the node with 16,000 MB |
| preemptible | makes way for all others: canceled, or requeued if submitted with --requeue |
| debug | at most 30 minutes on one node |
| down | DOWN: its jobs wait |
| project | only for the account ``project`` |
| gpu | a node with GPUs, 8 CPUs and 16,000 MB, on a cluster that has one |

QOS ``limited`` refuses jobs of more than 10 minutes, and a third job; ``waiting`` runs one at a
time. The nodes claim more CPUs and memory than the machine has; only what a job uses is real.
"""

import getpass
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.rigs.slurm_release import SlurmRelease

MemoryEnforcement = Literal["cgroup", "polling"]  # polling: jobacct_gather with OverMemoryKill

_USER = getpass.getuser()
ACCOUNTS = (
    ("add", "account", "science,project", "description=tests", "organization=tests"),
    ("add", "user", _USER, "account=science,project", "defaultaccount=science"),
)
QOS = (
    ("add", "qos", "limited", "MaxWall=00:10:00", "MaxSubmitJobsPerUser=2", "Flags=DenyOnLimit"),
    ("add", "qos", "waiting", "MaxJobsPerUser=1"),
    ("modify", "user", _USER, "set", "qos+=limited,waiting"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmSite:
    """Where a cluster is. ``port`` is the first of its ports; ``gpus`` are of a further node."""

    release: SlurmRelease
    folder: Path
    port: int
    memory_enforcement: MemoryEnforcement
    small_nodes: int = 3
    gpus: int = 0

    @property
    def name(self) -> str:
        return "testcluster"

    @property
    def node_prefix(self) -> str:
        """Cgroups have the names of nodes, so no two clusters share them."""
        return f"p{self.port}n"

    @property
    def nodes(self) -> tuple[str, ...]:
        """Small ones with 4 CPUs and 4,000 MB, one or two with 8 CPUs and 16,000 MB."""
        number = self.small_nodes + (2 if self.gpus else 1)
        return tuple(f"{self.node_prefix}{place}" for place in range(1, number + 1))

    @property
    def gpu_files(self) -> tuple[Path, ...]:
        return tuple(self.folder / f"state/gpu{number}" for number in range(self.gpus))

    @property
    def scripts(self) -> Path:
        """Commands of Slurm for programs outside of the namespace; empty inside."""
        return self.folder / "bin"

    @property
    def configuration(self) -> Path:
        return self.folder / "etc/slurm.conf"

    @property
    def munge_socket(self) -> Path:
        return self.folder / "munge/socket"

    @property
    def munged_command(self) -> tuple[str, ...]:
        return (
            *("munged", "--foreground", "--force"),  # --force: /tmp, where the folder is, is shared
            f"--socket={self.munge_socket}",
            f"--key-file={self.folder}/etc/munge.key",
            f"--pid-file={self.folder}/munge/munged.pid",
            f"--seed-file={self.folder}/munge/seed",
        )

    @property
    def install_database_command(self) -> tuple[str, ...]:
        return (
            *("mariadb-install-db", "--no-defaults", f"--user={_USER}"),
            f"--datadir={self.folder}/mysql",
            # Two clusters at once must not share it: names in it are made of process numbers.
            f"--tmpdir={self.folder}/mysql-tmp",
            *("--auth-root-authentication-method=normal", "--skip-test-db"),
        )

    @property
    def mariadbd_command(self) -> tuple[str, ...]:
        """Small, and careless with its files: they are never read again."""
        return (
            *("mariadbd", "--no-defaults", f"--user={_USER}"),
            f"--datadir={self.folder}/mysql",
            f"--tmpdir={self.folder}/mysql-tmp",
            f"--socket={self.folder}/run/mysql.sock",
            f"--pid-file={self.folder}/run/mariadb.pid",
            *("--bind-address=127.0.0.1", f"--port={self.port + 2}"),
            *("--innodb-buffer-pool-size=64M", "--innodb-log-file-size=16M"),
            *("--innodb-lock-wait-timeout=900", "--innodb-flush-log-at-trx-commit=0"),
            *("--skip-log-bin", "--performance-schema=OFF"),
            "--loose-innodb-snapshot-isolation=OFF",  # of newer ones; slurmdbd would fail with it
        )

    @property
    def mariadb_command(self) -> tuple[str, ...]:
        return ("mariadb", "--no-defaults", f"--socket={self.folder}/run/mysql.sock", "-u", "root")

    @property
    def database_grants(self) -> str:
        return (
            "create database slurm_acct_db; "
            "create user slurm@'127.0.0.1' identified by 'slurm'; "
            "create user slurm@localhost identified by 'slurm'; "
            "grant all on slurm_acct_db.* to slurm@'127.0.0.1'; "
            "grant all on slurm_acct_db.* to slurm@localhost;"
        )


def slurm_configuration(site: SlurmSite) -> str:
    """The text of slurm.conf. Waits and timeouts are as short as tests can bear.

    A node fails after SlurmdTimeout: longer than a test stops the controller, or a machine stalls.
    """
    host = socket.gethostname().partition(".")[0]
    small, large = ",".join(site.nodes[: site.small_nodes]), site.nodes[site.small_nodes]
    node = f"NodeHostname={host} NodeAddr=127.0.0.1 State=UNKNOWN"
    nodes = "\n".join(
        f"NodeName={name} {node} Port={site.port + 3 + index} {_size(site, index)}"
        for index, name in enumerate(site.nodes)
    )
    usual = "State=UP PriorityTier=10 PreemptMode=OFF"
    gpus = f"PartitionName=gpu Nodes={site.nodes[-1]} MaxTime=1-00:00:00 {usual}\n"
    return f"""\
ClusterName={site.name}
SlurmctldHost={host}(127.0.0.1)
SlurmUser={_USER}
SlurmdUser={_USER}
AuthType=auth/munge
AuthInfo=socket={site.munge_socket},ttl=60
CredType=cred/munge
SlurmctldPort={site.port}
StateSaveLocation={site.folder}/state
SlurmdSpoolDir={site.folder}/spool/%n
SlurmctldPidFile={site.folder}/run/slurmctld.pid
SlurmdPidFile={site.folder}/run/slurmd.%n.pid
SlurmctldLogFile={site.folder}/log/slurmctld.log
SlurmdLogFile={site.folder}/log/slurmd.%n.log
MailProg=/bin/true
MpiDefault=none
ReturnToService=2
SwitchType=switch/none
SlurmdParameters=config_overrides
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,batch_sched_delay=0,sched_min_interval=0,bf_interval=1,\
bf_yield_interval=100000,requeue_delay=1
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=100
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PriorityType=priority/basic
JobRequeue=0
KillWait=2
CompleteWait=0
EpilogMsgTime=0
InactiveLimit=0
MinJobAge=300
MessageTimeout=5
TCPTimeout=2
SlurmctldTimeout=5
SlurmdTimeout=40
BatchStartTimeout=60
UnkillableStepTimeout=25
JobAcctGatherFrequency=task=1
JobAcctGatherType=jobacct_gather/linux
JobCompType=jobcomp/none
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={site.port + 1}
AccountingStoragePass={site.munge_socket}
AccountingStorageEnforce=associations,limits,qos,safe
AccountingStoreFlags=job_comment
{_enforcement(site.memory_enforcement)}
{"GresTypes=gpu" if site.gpus else ""}
{nodes}
PartitionName=short Nodes={small} MaxTime=00:05:00 {usual}
PartitionName=standard Nodes={small} Default=YES MaxTime=1-00:00:00 {usual}
PartitionName=bigmem Nodes={large} MaxTime=1-00:00:00 {usual}
PartitionName=preemptible Nodes={small} MaxTime=1-00:00:00 State=UP PriorityTier=1 \
PreemptMode=REQUEUE
PartitionName=debug Nodes={small} MaxTime=00:30:00 MaxNodes=1 {usual}
PartitionName=down Nodes={small} State=DOWN
PartitionName=project Nodes={small} AllowAccounts=project {usual}
{gpus if site.gpus else ""}"""


def gres_configuration(site: SlurmSite) -> str:
    """The text of gres.conf, which Slurm looks for beside slurm.conf."""
    node = site.nodes[-1]
    return "".join(f"NodeName={node} Name=gpu File={path}\n" for path in site.gpu_files)


def slurmdbd_configuration(site: SlurmSite) -> str:
    """The text of slurmdbd.conf, which Slurm looks for beside slurm.conf."""
    return f"""\
AuthType=auth/munge
AuthInfo=socket={site.munge_socket}
DbdHost=localhost
DbdPort={site.port + 1}
SlurmUser={_USER}
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={site.port + 2}
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm_acct_db
LogFile={site.folder}/log/slurmdbd.log
PidFile={site.folder}/run/slurmdbd.pid
CommitDelay=1
"""


def cgroup_configuration(site: SlurmSite) -> str:
    """The text of cgroup.conf, which Slurm looks for beside slurm.conf."""
    if site.memory_enforcement == "polling":
        return "CgroupPlugin=disabled\n" if site.release.version >= (23, 11) else ""
    mount = "CgroupAutomount=no\n" if site.release.version < (23, 11) else ""
    return f"""\
CgroupPlugin=cgroup/v1
{mount}CgroupMountpoint=/sys/fs/cgroup
ConstrainRAMSpace=yes
ConstrainSwapSpace=no
"""


def _size(site: SlurmSite, index: int) -> str:
    if index < site.small_nodes:
        return "CPUs=4 RealMemory=4000"
    gres = f" Gres=gpu:{site.gpus}" if index > site.small_nodes else ""
    return f"CPUs=8 RealMemory=16000{gres}"


def _enforcement(kind: MemoryEnforcement) -> str:
    if kind == "cgroup":
        return "ProctrackType=proctrack/cgroup\nTaskPlugin=task/cgroup"
    overuse = "JobAcctGatherParams=OverMemoryKill"
    return f"ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\n{overuse}"
