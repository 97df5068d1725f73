"""The service under a real service manager, from installation to removal."""

import json
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.systemd.conftest import Machine

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

UNITS = Path(".config/systemd/user")
DROP_INS = UNITS / "torc-watchd.service.d"
TEMPLATES = Path(__file__).parents[2] / "systemd/torc-watchd.service.d"
# Runs out of memory once, and succeeds with more.
HUNGRY = """
name: hungry
resource_requirements:
  - { name: small, num_cpus: 1, memory: 64m, runtime: PT1M }
jobs:
  - name: hungry
    command: '[ -e "$TORC_OUTPUT_DIR/fed" ] || { touch "$TORC_OUTPUT_DIR/fed"; exit 137; }'
    resource_requirements: small
"""
# The first failure has an unknown cause, so the recovery hook runs.
FLAKY = HUNGRY.replace("exit 137", "exit 1")
# Blocks the event loop on SIGUSR2.
BLOCKING = """
import signal, time
signal.signal(signal.SIGUSR2, lambda *_: time.sleep(1000))
"""


def main_process(machine: "Machine") -> Path:
    """The folder of the service's main process in the machine's /proc."""
    return Path(f"/proc/{machine.pid}/root/proc") / machine.show("MainPID")["MainPID"]


def kill_main_process(machine: "Machine", number: signal.Signals) -> None:
    machine.systemctl("kill", f"--signal={number.name}", "--kill-whom=main", "torc-watchd")


def restart_quickly(machine: "Machine", *lines: str) -> None:
    machine.drop_in("RestartSec=100ms", *lines)


def test_install_starts_the_service_and_a_second_install_changes_nothing(
    machine: "Machine",
) -> None:
    first = machine.torc_watchd("service", "install")
    started = machine.show("MainPID", "ActiveState", "StatusText")
    second = machine.torc_watchd("service", "install")

    assert "Started the service." in first
    assert "linger" in first
    assert started["ActiveState"] == "active"
    assert started["StatusText"]
    assert machine.systemctl("is-enabled", "torc-watchd").strip() == "enabled"
    assert "nothing was changed" in second
    assert machine.show("MainPID")["MainPID"] == started["MainPID"]


def test_uninstall_keeps_only_the_state_folder(machine: "Machine") -> None:
    machine.torc_watchd("service", "install")

    printed = machine.torc_watchd("service", "uninstall")

    assert "Removed" in printed
    assert machine.show("LoadState")["LoadState"] == "not-found"
    assert not [path for path in (machine.home / UNITS).rglob("*") if not path.is_dir()]
    assert (machine.home / ".local/state/torc-watchd/lease").is_dir()
    assert "no service to remove" in machine.torc_watchd("service", "uninstall")


def test_install_does_not_wait_for_a_scheduled_restart(machine: "Machine") -> None:
    machine.torc_watchd("service", "install")
    kill_main_process(machine, signal.SIGKILL)
    while machine.show("SubState")["SubState"] != "auto-restart":
        pass

    assert "Started the service." in machine.torc_watchd("service", "install")


def test_saved_environment_has_settings_but_no_password(machine: "Machine") -> None:
    machine.variables |= {"TORC_API_URL": 'http://a"b%h$c', "TORC_PASSWORD": "s3cret"}
    printed = machine.torc_watchd("service", "install")
    machine.torc_watchd("service", "install", "--save-environment")

    variables = (main_process(machine) / "environ").read_text().split("\0")

    assert "does not see, of this shell's environment: TORC_API_URL." in printed
    assert 'TORC_API_URL=http://a"b%h$c' in variables
    written = [path.read_text() for path in (machine.home / UNITS).rglob("*") if path.is_file()]
    assert "s3cret" not in "".join(written)
    assert "does not see" not in machine.torc_watchd("service", "install")
    # The daemon needs the PATH to find Torc's own runner.
    machine.write(".config/torc-watchd/config.toml", 'local_runner = "torc"\n')
    assert "environment: PATH, TORC_API_URL." in machine.torc_watchd("service", "install")


def test_recovery_is_recorded_in_the_journal(machine: "Machine") -> None:
    machine.serve()
    machine.torc_watchd("service", "install")
    workflow = machine.submit(HUNGRY)
    machine.torc_watchd("add", str(workflow), "--auto-recover", "--poll-interval", "1")

    planned = machine.journal_until(f"WORKFLOW_ID={workflow}", "EVENT=recovery.planned")
    ended = machine.journal_until(f"WORKFLOW_ID={workflow}", "EVENT=watch.ended")

    assert planned["_SYSTEMD_USER_UNIT"] == "torc-watchd.service"
    assert planned["ROUND"] == "1"
    assert "succeeded" in ended["MESSAGE"]


def test_reload_reads_the_configuration_and_keeps_the_process(machine: "Machine") -> None:
    machine.torc_watchd("service", "install")
    before = machine.show("MainPID")

    machine.systemctl("reload", "torc-watchd")
    machine.journal_until("EVENT=configuration.read")

    assert machine.show("MainPID", "ActiveState") == before | {"ActiveState": "active"}
    assert "was reloaded" not in machine.show("StatusText")["StatusText"]


def test_watchdog_restarts_a_hanging_daemon(machine: "Machine") -> None:
    machine.write("blocking/sitecustomize.py", BLOCKING)
    folder = f"/run/home/tester/blocking:{Path(__file__).parents[2]}"
    restart_quickly(machine, "WatchdogSec=3", f"Environment=PYTHONPATH={folder}")
    machine.torc_watchd("service", "install")
    before = machine.show("MainPID")

    kill_main_process(machine, signal.SIGUSR2)
    machine.journal_until("EVENT=lease.taken", number=2)

    assert machine.show("NRestarts")["NRestarts"] != "0"
    assert machine.show("MainPID") != before


def test_invalid_configuration_does_not_restart_the_service(machine: "Machine") -> None:
    machine.torc_watchd("service", "install", "--no-start")
    restart_quickly(machine)
    machine.write(".config/torc-watchd/config.toml", "poll_intervall = 3\n")

    machine.systemctl("start", "torc-watchd", status=1)

    assert machine.show("ActiveState", "NRestarts") == {"ActiveState": "failed", "NRestarts": "0"}
    assert "poll_interval" in machine.run("journalctl", "--user", "--unit=torc-watchd")


def test_daemon_waits_for_an_unreadable_configuration(machine: "Machine") -> None:
    machine.torc_watchd("service", "install", "--no-start")
    restart_quickly(machine)
    machine.write(".config/torc-watchd/config.toml/file-in-a-folder", "")
    error = "/torc-watchd/config.toml cannot be read: Is a directory."

    machine.systemctl("start", "--no-block", "torc-watchd")
    machine.journal_until(f"MESSAGE=torc-watchd: /run/home/tester/.config{error}", number=2)
    machine.run("mv", "/run/home/tester/.config/torc-watchd/config.toml", "/run/home/tester/moved")
    machine.journal_until("EVENT=lease.taken")

    assert machine.show("ActiveState")["ActiveState"] == "active"


@pytest.mark.parametrize(("slurm", "seccomp"), [(True, "2"), (False, "0")])
def test_service_is_sandboxed_only_with_slurm(
    machine: "Machine", slurm: bool, seccomp: str
) -> None:
    if slurm:
        machine.write("bin/sbatch", "#!/bin/sh\n", 0o755)
    machine.torc_watchd("service", "install")

    status = (main_process(machine) / "status").read_text()

    assert f"\nSeccomp:\t{seccomp}\n" in status
    assert (machine.home / DROP_INS / "local.conf").exists() is not slurm


def test_service_runs_in_a_user_namespace(machine: "Machine") -> None:
    machine.write("bin/sbatch", "#!/bin/sh\n", 0o755)
    machine.write(DROP_INS / "userns.conf", (TEMPLATES / "userns.conf").read_text())

    machine.torc_watchd("service", "install")

    own = Path("/proc/self/ns/user").readlink()
    assert machine.show("ActiveState")["ActiveState"] == "active"
    assert (main_process(machine) / "ns/user").readlink() != own


@pytest.mark.parametrize(("how", "slurm"), [("kill", False), ("restart", False), ("restart", True)])
def test_interrupted_round_is_finished(machine: "Machine", how: str, slurm: bool) -> None:
    """A restart ends no worker of the round: that would take another round, and a retry."""
    if slurm:
        machine.write("bin/sbatch", "#!/bin/sh\n", 0o755)
    machine.serve()
    restart_quickly(machine)
    machine.torc_watchd("service", "install")
    workflow = machine.submit(FLAKY)
    hook = "sh -c 'until [ -e ~/gate ]; do sleep 0.1; done'"
    often = ("--poll-interval", "1")
    machine.torc_watchd("add", str(workflow), "--recovery-hook", hook, "--auto-recover", *often)
    machine.journal_until(f"WORKFLOW_ID={workflow}", "EVENT=hook.started")

    if how == "kill":
        kill_main_process(machine, signal.SIGKILL)
    else:
        machine.systemctl("restart", "--no-block", "torc-watchd")
    machine.write("gate", "")
    ended = machine.journal_until(f"WORKFLOW_ID={workflow}", "EVENT=watch.ended")

    assert "succeeded" in ended["MESSAGE"]
    [watch] = json.loads(machine.torc_watchd("history", str(workflow), "--json"))["watches"]
    assert len(watch["rounds"]) == 1
