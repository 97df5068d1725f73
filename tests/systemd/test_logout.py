"""What logging out does to the service, in a system that is booted for it."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

CHECKOUT = Path(__file__).parents[2]
# Each `su` is a login, and a logout when it returns.
SCRIPT = f"""
watchd() {{ su - tester -c "PYTHONPATH={CHECKOUT} {sys.executable} -m torc_watch $*"; }}
watchd doctor
watchd service install
state() {{ loginctl show-user tester --property=State --value 2>/dev/null || echo gone; }}
while now=$(state); do case $now in lingering|gone) break ;; esac; sleep 0.1; done
pgrep -u tester -f 'torc_watch run' >/dev/null && echo 'it runs on' || echo 'it has ended'
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


def test_where_linger_can_be_had_the_service_outlives_the_login(
    boot: Callable[[str, Mapping[str, str]], str],
) -> None:
    printed = boot(SCRIPT, AT_ONCE)

    assert "linger was turned on" in printed
    assert "it runs on" in printed


def test_where_linger_is_refused_it_ends_and_that_is_said_before(
    boot: Callable[[str, Mapping[str, str]], str],
) -> None:
    printed = boot(SCRIPT, AT_ONCE | REFUSAL)

    assert "end when you log out: site rule" in printed
    assert "it ends: linger cannot be had (Could not enable linger: Access denied.)" in printed
    assert "it has ended" in printed
