"""The service after logout, in a system that is booted for the test."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

CHECKOUT = Path(__file__).parents[2]
SPECIFICATION = """
name: too large
resource_requirements: [{name: small, num_cpus: 1, memory: 64m, runtime: PT5M}]
jobs:
  - name: train
    resource_requirements: small
    command: python3 -c "import time; data = bytearray(80 << 20); time.sleep(2)"
"""
# Each `su` is a login, and a logout when it returns.
LOGINS = f"""
watchd() {{ su - tester -c "PYTHONPATH={CHECKOUT} {sys.executable} -m torc_watch $*"; }}
state() {{ loginctl show-user tester --property=State --value 2>/dev/null || echo gone; }}
# The state is "closing" while a process of the session, such as a worker, still runs.
log_out() {{ while now=$(state); do case $now in "$1"|"$2") break ;; esac; sleep 0.1; done; }}
"""
INSTALLING = f"""{LOGINS}
watchd doctor
watchd service install
log_out lingering gone
pgrep -u tester -f 'torc_watch run' >/dev/null && echo 'daemon is running' || echo 'daemon is gone'
"""
# For a user service, a restart of the user manager is the same as a reboot. The workflow may fail
# before or after it; in both cases it is recovered while no user is logged in.
RECOVERING = f"""{LOGINS}
systemd-run --quiet --setenv=PYTHONPATH={CHECKOUT} \
    {sys.executable} -m torc_watch sandbox serve --directory /var/lib/torc --port 8080
watchd service install
echo '{SPECIFICATION}' >/tmp/workflow.yaml
watchd submit /tmp/workflow.yaml --allocations 1
watchd add 1 --auto-recover --poll-interval 1
log_out lingering closing
systemctl restart user@$(id -u tester).service
published=/home/tester/.local/state/torc-watchd/status.json
until grep -q '"verdict": "[a-z]' $published; do sleep 0.1; done
watchd list
watchd history 1
"""
AT_ONCE = {
    "systemd/logind.conf.d/test.conf": "[Login]\nUserStopDelaySec=0\n",
    "environment.d/test.conf": f"PYTHONPATH={CHECKOUT}\n",
}
REFUSAL = {
    "polkit-1/rules.d/10-test.rules": """
polkit.addRule(function (action, subject) {
    if (action.id == "org.freedesktop.login1.set-self-linger") return polkit.Result.NO;
});
"""
}


def test_service_survives_logout_with_linger(
    boot: Callable[[str, Mapping[str, str]], str],
) -> None:
    printed = boot(INSTALLING, AT_ONCE)

    assert "linger was enabled" in printed
    assert "daemon is running" in printed


def test_install_warns_when_linger_is_refused_and_the_service_stops_at_logout(
    boot: Callable[[str, Mapping[str, str]], str],
) -> None:
    printed = boot(INSTALLING, AT_ONCE | REFUSAL)

    assert "the site does not allow linger" in printed
    warning = "The service stops when you log out: enabling linger failed"
    assert f"{warning} (Could not enable linger: Access denied.)" in printed
    assert "daemon is gone" in printed


def test_workflow_is_recovered_after_logout(
    boot: Callable[[str, Mapping[str, str]], str],
) -> None:
    printed = boot(RECOVERING, AT_ONCE)

    assert "succeeded  1/1" in printed
    assert "OOM detected, increasing memory 64m" in printed
