"""What a workflow leaves: the server's rows, Slurm's tables, files; without names of the machine.

Everything that could be asked for is kept, and not only what is asked for today.
"""

import getpass
import json
import os
import re
import socket
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from tests.rigs.recorded_failures import OWNER
from tests.rigs.slurm_cluster import SlurmCluster
from tests.rigs.torc_on_slurm import Row, TorcOnSlurm

_LISTS = (
    *("jobs", "results", "resource_requirements", "compute_nodes", "scheduled_compute_nodes"),
    *("slurm_schedulers", "local_schedulers", "slurm_stats", "files"),
)
_ACCOUNTING = (
    *("JobID", "JobIDRaw", "JobName", "State", "ExitCode", "DerivedExitCode", "Reason"),
    *("NodeList", "User", "UID", "Submit", "Start", "End", "Elapsed", "ElapsedRaw"),
    *("Timelimit", "TimelimitRaw", "Partition", "QOS", "Account", "Comment", "AdminComment"),
    *("ReqMem", "MaxRSS", "AveRSS", "MaxVMSize", "TotalCPU", "UserCPU", "SystemCPU", "AveCPU"),
    *("NNodes", "NCPUS", "AllocCPUS", "NTasks"),
)
_QUEUE = {"JOBID": "%A", "STATE": "%T", "UID": "%U", "START_TIME": "%S", "END_TIME": "%e"} | {
    "NODELIST": "%N",
    "REASON": "%r",
    "NAME": "%j",
}
_SHOWN = ("config", "node", "partition", "reservation")
_KERNEL = "dmesg_*"
_FILES = ("job_stdio/*", "slurm_output_*", _KERNEL)
# Of the kernel's lines, which also list all processes whenever it kills one.
_TELLING = re.compile(
    rb"^\[(.{24})\].*(?:oom-kill|Killed process|[Ee]rror|[Ff]ailed|segfault|trap|Xid)"
)
_END = 12_000  # bytes of a file that are kept, from its beginning and before its end
_BEGIN = r"(?:(?<![A-Za-z0-9])|(?<=\\[nt]))"  # of a name in JSON, where lines end with \\n
_SECONDS = {"SLURM_TIME_FORMAT": "%s"}


def record(torc: TorcOnSlurm, workflow_id: int) -> Row:
    """The rows, tables and files of a workflow at rest."""
    found = {
        "rows": _rows(torc, workflow_id),
        "slurm": _tables(torc.cluster, sorted(torc.allocations(workflow_id))),
        "output": _files(torc, workflow_id),
    }
    return _neutral(found, _names_of(torc))


def record_cluster(torc: TorcOnSlurm) -> Row:
    """What Slurm shows of the cluster, by the last word of the command."""
    cluster = torc.cluster
    answers = {
        what: cluster.run(
            "scontrol", "--all", "--oneliner", "show", what, variables=_SECONDS, status=None
        )
        for what in _SHOWN
        if what != "config"
    }
    answers["config"] = cluster.run("scontrol", "show", "config")
    return _neutral({"release": list(cluster.release), "shown": answers}, _names_of(torc))


def _rows(torc: TorcOnSlurm, workflow_id: int) -> Row:
    lists = {name: torc.rows(f"/{name}", workflow_id) for name in _LISTS}
    lists["jobs"] = torc.rows("/jobs", workflow_id, include_relationships="true")
    lists["results"] = torc.rows("/results", workflow_id, all_runs="true")
    nodes = [row["id"] for row in lists["compute_nodes"]]
    place = f"/workflows/{workflow_id}"
    return lists | {
        "version": torc.ask("GET", "/version"),
        "workflow": torc.ask("GET", place),
        "status": torc.ask("GET", f"{place}/status"),
        "is_complete": torc.ask("GET", f"{place}/is_complete"),
        "actions": torc.ask("GET", f"{place}/actions"),
        "job_dependencies": torc.ask("GET", f"{place}/job_dependencies?limit=10000"),
        "active_jobs": {
            str(node): [
                row["id"] for row in torc.rows("/jobs", workflow_id, active_compute_node_id=node)
            ]
            for node in nodes
        },
    }


def _tables(cluster: SlurmCluster, numbers: Iterable[int]) -> Row:
    jobs = ",".join(map(str, numbers))
    if not jobs:
        return {"sacct": "", "squeue": []}
    accounting = ("sacct", "-P", "-D", "-j", jobs, f"--format={','.join(_ACCOUNTING)}")
    columns = {
        name: cluster.run(
            *("squeue", "-h", "--states=all", "--sort=i", "-j", jobs, "-o", field),
            variables=_SECONDS,
            status=None,
        ).splitlines()
        for name, field in _QUEUE.items()
    }
    return {"sacct": cluster.run(*accounting, variables=_SECONDS), "squeue": columns}


def _files(torc: TorcOnSlurm, workflow_id: int) -> Row:
    """The text of each file, and how many seconds ago it was written."""
    folder, found = torc.output_folder, {}
    since = datetime.fromtimestamp(torc.cluster.site.configuration.stat().st_mtime, UTC)
    for pattern in _FILES:
        for path in sorted(folder.glob(pattern)):
            if not re.search(rf"_wf{workflow_id}_", path.name) or not path.is_file():
                continue
            age = round(time.time() - path.stat().st_mtime)
            name = path.relative_to(folder).as_posix()
            content = path.read_bytes()
            if pattern == _KERNEL:
                content = _of_kernel(content, since)
            found[name] = {"text": _excerpt(content), "age": age}
    return {name: found[name] for name in sorted(found) if found[name]["text"]}


def _of_kernel(content: bytes, since: datetime) -> bytes:
    """What it says since the cluster began: earlier ones had jobs of the same numbers."""
    return b"".join(
        line
        for line in content.splitlines(keepends=True)
        if (found := _TELLING.match(line)) and _time_of(found[1]) >= since
    )


def _time_of(text: bytes) -> datetime:
    return datetime.strptime(text.decode(), "%a %b %d %H:%M:%S %Y").astimezone()


def _excerpt(content: bytes) -> str:
    if len(content) > 2 * _END:
        content = content[:_END] + b"\n[...]\n" + content[-_END:]
    return content.decode("utf-8", "surrogateescape")


def _names_of(torc: TorcOnSlurm) -> Mapping[str, str]:
    """What is the machine's or the user's, and what stands for it; longer ones first."""
    names = {
        str(torc.folder): "/scratch/ada",
        str(torc.cluster.folder): "/var/slurm",
        str(torc.programs.parent): "/opt/torc",
        str(Path.cwd()): "/home/ada/project",
        str(Path.home()): "/home/ada",
        torc.cluster.site.node_prefix: "n",
    }
    return dict(sorted(names.items(), key=lambda item: -len(item[0])))


def _neutral(value: Row, names: Mapping[str, str]) -> Row:
    text = json.dumps(value)
    for name, other in names.items():
        text = re.sub(_BEGIN + re.escape(name), other, text)
    # As a field alone: a short name is part of other words.
    text = text.replace(f'"user": "{getpass.getuser()}"', '"user": "ada"')
    text = text.replace(f'"hostname": "{socket.gethostname()}"', '"hostname": "node1"')
    text = text.replace(f"CANCELLED by {os.getuid()}|", f"CANCELLED by {OWNER}|")
    neutral: Row = json.loads(text)
    return neutral
