"""Which way of running the daemon fits, and what is said of a login node."""

from dataclasses import replace
from typing import Any

import pytest

from torc_watch.login_node.checks import CheckLevel, findings
from torc_watch.login_node.facts import Folder, Linger, LoginNode, Mode, Server, advise

FOLDER = Folder(
    path="/home/ada/.local/state/torc-watchd",
    trouble="",
    linking="",
    file_system="nfs4",
    is_network=True,
    needs_ticket=False,
    free=2**40,
)
SERVER = Server(url="http://torc:8080", version="1.0.0", trouble="")
GOOD = LoginNode(
    host="login1",
    user_manager="",
    linger=Linger.ON,
    kills_at_logout=False,
    journal_readable=True,
    folder=FOLDER,
    server=SERVER,
    programs=frozenset(("sbatch", "squeue", "sacct", "scancel")),
    unseen=frozenset(),
    cron=True,
    scrontab=True,
    user_namespaces=True,
    memory_cap=None,
    ticket=None,
    daemon="",
)
NO_MANAGER = {"user_manager": "Failed to connect to bus."}


@pytest.mark.parametrize(
    ("changes", "mode"),
    [
        ({}, Mode.SERVICE),
        ({"linger": Linger.OFF}, Mode.SERVICE),
        ({"linger": Linger.REFUSED}, Mode.SCRONTAB),
        (NO_MANAGER, Mode.SCRONTAB),
        ({**NO_MANAGER, "scrontab": False}, Mode.CRON),
        ({**NO_MANAGER, "scrontab": False, "cron": False}, Mode.SLURM_JOB),
        (
            {**NO_MANAGER, "scrontab": False, "cron": False, "programs": frozenset()},
            Mode.FOREGROUND,
        ),
        ({"folder": replace(FOLDER, needs_ticket=True)}, Mode.FOREGROUND),
    ],
)
def test_the_way_that_fits(changes: dict[str, Any], mode: Mode) -> None:
    assert advise(replace(GOOD, **changes)) is mode


def test_nothing_is_remarked_where_everything_is_good() -> None:
    assert {finding.level for finding in findings(GOOD)} == {CheckLevel.OK}


@pytest.mark.parametrize(
    ("changes", "subject", "level", "words"),
    [
        (NO_MANAGER, "user manager", CheckLevel.NOTE, "Failed to connect"),
        ({"linger": Linger.OFF}, "linger", CheckLevel.NOTE, "loginctl enable-linger"),
        ({"linger": Linger.REFUSED}, "linger", CheckLevel.NOTE, "support"),
        ({"kills_at_logout": True}, "logout", CheckLevel.NOTE, "tmux do not help"),
        ({"kills_at_logout": None}, "logout", CheckLevel.NOTE, "could not be found"),
        ({"journal_readable": False}, "journal", CheckLevel.NOTE, "torc-watchd logs"),
        (
            {"folder": replace(FOLDER, trouble="Read-only file system.")},
            "state folder",
            CheckLevel.PROBLEM,
            "TORC_WATCHD_HOME",
        ),
        (
            {"folder": replace(FOLDER, is_network=False)},
            "state folder",
            CheckLevel.NOTE,
            "is local",
        ),
        (
            {"folder": replace(FOLDER, local_locks=True)},
            "locks",
            CheckLevel.NOTE,
            "one login node only",
        ),
        ({"folder": replace(FOLDER, linking="No.")}, "lease", CheckLevel.PROBLEM, "hard links"),
        ({"folder": replace(FOLDER, free=3 * 2**20)}, "space", CheckLevel.NOTE, "3 MiB free"),
        ({"folder": replace(FOLDER, needs_ticket=True)}, "ticket", CheckLevel.NOTE, "krenew"),
        ({"ticket": False}, "ticket", CheckLevel.NOTE, "kinit"),
        (
            {"server": replace(SERVER, version="", trouble="refused.")},
            "server",
            CheckLevel.NOTE,
            "waits",
        ),
        (
            {"server": replace(SERVER, version="", trouble="401.", refused=True)},
            "server",
            CheckLevel.PROBLEM,
            "password_file",
        ),
        ({"programs": frozenset()}, "slurm", CheckLevel.NOTE, "processes of this machine"),
        ({"programs": frozenset(("sbatch",))}, "slurm", CheckLevel.NOTE, "squeue, sacct, scancel"),
        ({"unseen": frozenset(("sbatch",))}, "slurm", CheckLevel.NOTE, "--save-environment"),
        ({"cron": False, "scrontab": False}, "cron", CheckLevel.OK, "Neither"),
        ({"user_namespaces": False}, "user namespaces", CheckLevel.OK, "Not allowed"),
        ({"memory_cap": 64 * 2**20}, "memory", CheckLevel.NOTE, "64 MiB"),
        ({"memory_cap": 2 * 2**30}, "memory", CheckLevel.OK, "2.0 GiB"),
        ({"daemon": "login2"}, "daemon", CheckLevel.OK, "login2"),
    ],
)
def test_what_is_said(changes: dict[str, Any], subject: str, level: CheckLevel, words: str) -> None:
    found = {finding.subject: finding for finding in findings(replace(GOOD, **changes))}

    assert found[subject].level is level
    assert words in f"{found[subject].text} {found[subject].advice}"
    assert {finding.level for name, finding in found.items() if name != subject} <= {CheckLevel.OK}
