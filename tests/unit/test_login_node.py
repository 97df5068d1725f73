"""The recommended way to run the daemon, and the check results of a login node."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from torc_watch.core.cause import Cause
from torc_watch.core.node_incident import NodeIncident, NodeScore
from torc_watch.host.subprocesses import CommandResult
from torc_watch.login_node.checks import CheckLevel, check_login_node
from torc_watch.login_node.facts import (
    Folder,
    JournalState,
    Linger,
    LoginNode,
    RunMode,
    Server,
    SlurmSite,
    recommend_mode,
)
from torc_watch.login_node.slurm_probe import probe_slurm

FOLDER = Folder(
    path="/home/ada/.local/state/torc-watchd",
    write_error="",
    link_error="",
    file_system="nfs4",
    is_network=True,
    needs_ticket=False,
    free=2**40,
)
LOCAL = replace(FOLDER, file_system="ext4", is_network=False)
SERVER = Server(url="http://torc:8080", version="1.0.0", error="")
GOOD = LoginNode(
    host="login1",
    user_manager_error="",
    linger=Linger.ON,
    kills_processes_at_logout=False,
    can_read_journal=True,
    folder=FOLDER,
    journal=(JournalState.SOUND, ""),
    server=SERVER,
    proxies=(),
    slurm=SlurmSite(),
    slurm_runner="/opt/torc/bin/torc-slurm-job-runner",
    programs=frozenset(("sbatch", "squeue", "sacct", "scancel", "scontrol", "sinfo")),
    hidden_programs=frozenset(),
    can_use_cron=True,
    can_use_scrontab=True,
    user_namespaces=True,
    memory_limit=None,
    has_ticket=None,
    active_daemon="",
)
_INCIDENT = NodeIncident(
    cluster="ridge",
    node="n07",
    cause=Cause.NODE,
    at=datetime(2026, 11, 29, tzinfo=UTC),
    server=SERVER.url,
    workflow_id=42,
    run_id=1,
    job_id=7,
    job_name="train",
)
BAD_NODE = NodeScore(cluster="ridge", node="n07", score=2.31, incidents=(_INCIDENT, _INCIDENT))
NO_MANAGER = {"user_manager_error": "Failed to connect to bus."}


@pytest.mark.parametrize(
    ("changes", "mode"),
    [
        ({}, RunMode.SERVICE),
        ({"linger": Linger.OFF}, RunMode.SERVICE),
        ({"linger": Linger.REFUSED}, RunMode.SCRONTAB),
        (NO_MANAGER, RunMode.SCRONTAB),
        ({**NO_MANAGER, "can_use_scrontab": False}, RunMode.CRON),
        ({**NO_MANAGER, "can_use_scrontab": False, "can_use_cron": False}, RunMode.SLURM_JOB),
        (
            {
                **NO_MANAGER,
                "can_use_scrontab": False,
                "can_use_cron": False,
                "programs": frozenset(),
            },
            RunMode.FOREGROUND,
        ),
        ({"folder": replace(FOLDER, needs_ticket=True)}, RunMode.FOREGROUND),
        ({**NO_MANAGER, "folder": LOCAL}, RunMode.CRON),
        ({**NO_MANAGER, "folder": LOCAL, "can_use_cron": False}, RunMode.FOREGROUND),
    ],
)
def test_recommended_mode(changes: dict[str, Any], mode: RunMode) -> None:
    assert recommend_mode(replace(GOOD, **changes)) is mode


def test_all_results_are_ok_on_a_good_node() -> None:
    assert {finding.level for finding in check_login_node(GOOD)} == {CheckLevel.OK}


@pytest.mark.parametrize(
    ("changes", "subject", "level", "words"),
    [
        (NO_MANAGER, "user manager", CheckLevel.NOTE, "Failed to connect"),
        ({"linger": Linger.OFF}, "linger", CheckLevel.NOTE, "loginctl enable-linger"),
        ({"linger": Linger.REFUSED}, "linger", CheckLevel.NOTE, "support"),
        ({"kills_processes_at_logout": True}, "logout", CheckLevel.NOTE, "tmux do not help"),
        ({"kills_processes_at_logout": None}, "logout", CheckLevel.NOTE, "Cannot tell whether"),
        ({"can_read_journal": False}, "journal", CheckLevel.NOTE, "torc-watchd logs"),
        (
            {"folder": replace(FOLDER, write_error="Read-only file system.")},
            "state folder",
            CheckLevel.PROBLEM,
            "TORC_WATCHD_HOME",
        ),
        (
            {"folder": LOCAL},
            "state folder",
            CheckLevel.NOTE,
            "local file system: other nodes, and Slurm jobs there, lack it",
        ),
        (
            {"folder": replace(FOLDER, open_folders=("/home/ada/it", "/home/ada/it/spool"))},
            "permissions",
            CheckLevel.NOTE,
            "chmod go-w /home/ada/it /home/ada/it/spool",
        ),
        (
            {"folder": replace(FOLDER, lock_error="No locks available.")},
            "locks",
            CheckLevel.PROBLEM,
            "No locks available. Set TORC_WATCHD_HOME",
        ),
        ({"journal": (JournalState.CUT_OFF, "")}, "journal file", CheckLevel.NOTE, "undoes"),
        ({"journal": (JournalState.LOCKED, "By 7.")}, "journal file", CheckLevel.NOTE, "By 7."),
        ({"journal": (JournalState.DAMAGED, "It.")}, "journal file", CheckLevel.NOTE, "Add them"),
        ({"journal": (JournalState.UNUSABLE, "N.")}, "journal file", CheckLevel.PROBLEM, "Fix"),
        (
            {"folder": replace(FOLDER, local_locks=True)},
            "locks",
            CheckLevel.NOTE,
            "one login node only",
        ),
        ({"folder": replace(FOLDER, link_error="No.")}, "lease", CheckLevel.PROBLEM, "hard links"),
        ({"folder": replace(FOLDER, free=3 * 2**20)}, "space", CheckLevel.NOTE, "3 MiB free"),
        ({"folder": replace(FOLDER, needs_ticket=True)}, "ticket", CheckLevel.NOTE, "krenew"),
        ({"has_ticket": False}, "ticket", CheckLevel.NOTE, "kinit"),
        ({"bad_nodes": (BAD_NODE,)}, "nodes", CheckLevel.NOTE, "n07 (score 2.3: its node failed"),
        (
            {"server": replace(SERVER, version="", error="refused.")},
            "server",
            CheckLevel.NOTE,
            "waits",
        ),
        (
            {"server": replace(SERVER, version="", error="401.", is_denied=True)},
            "server",
            CheckLevel.PROBLEM,
            "password_file",
        ),
        (
            {
                "proxies": (
                    "http://torc:8080 is reached through the proxy http://p:1 (variable http)",
                )
            },
            "proxy",
            CheckLevel.NOTE,
            "through the proxy http://p:1 (variable http). A service has other variables",
        ),
        ({"programs": frozenset()}, "slurm", CheckLevel.NOTE, "processes on this machine"),
        ({"slurm": SlurmSite(error="hangs")}, "slurm", CheckLevel.NOTE, "squeue: hangs"),
        ({"slurm": SlurmSite(has_accounting=False)}, "accounting", CheckLevel.NOTE, "minutes only"),
        ({"slurm": SlurmSite(accounting_error="down")}, "accounting", CheckLevel.NOTE, "down"),
        ({"slurm_runner": ""}, "slurm runner", CheckLevel.NOTE, "slurm_runner"),
        ({"programs": frozenset(("sbatch",))}, "slurm", CheckLevel.NOTE, "squeue, sacct, scancel"),
        (
            {"hidden_programs": frozenset(("sbatch",))},
            "slurm",
            CheckLevel.NOTE,
            "--save-environment",
        ),
        ({"can_use_cron": False, "can_use_scrontab": False}, "cron", CheckLevel.NOTE, "neither"),
        ({"user_namespaces": False}, "user namespaces", CheckLevel.OK, "Not allowed"),
        ({"memory_limit": 64 * 2**20}, "memory", CheckLevel.NOTE, "64 MiB"),
        ({"memory_limit": 2 * 2**30}, "memory", CheckLevel.OK, "2.0 GiB"),
        ({"active_daemon": "login2"}, "daemon", CheckLevel.OK, "login2"),
    ],
)
def test_each_limitation_has_its_own_result(
    changes: dict[str, Any], subject: str, level: CheckLevel, words: str
) -> None:
    found = {finding.subject: finding for finding in check_login_node(replace(GOOD, **changes))}

    assert found[subject].level is level
    assert words in f"{found[subject].text} {found[subject].advice}"
    assert {finding.level for name, finding in found.items() if name != subject} <= {CheckLevel.OK}


@pytest.mark.parametrize(
    ("answers", "site"),
    [
        ({}, SlurmSite()),
        (
            {"squeue": CommandResult(status=1, stderr="slurm_load_jobs error: Unable to contact")},
            SlurmSite(error="slurm_load_jobs error: Unable to contact"),
        ),
        (
            {"sacct": CommandResult(status=1, stderr="Slurm accounting storage is disabled")},
            SlurmSite(has_accounting=False),
        ),
        (
            {"sacct": CommandResult(status=1, stderr="Problem talking to the database")},
            SlurmSite(accounting_error="Problem talking to the database"),
        ),
    ],
)
async def test_slurm_is_asked_for_jobs_and_for_accounting(
    answers: dict[str, CommandResult], site: SlurmSite
) -> None:
    async def answer(*command: str) -> CommandResult:
        return answers.get(command[0], CommandResult(status=0))

    assert await probe_slurm(answer, is_there=True) == site
