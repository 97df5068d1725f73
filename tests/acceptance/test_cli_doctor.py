"""doctor, and service where there is no service manager."""

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.acceptance.conftest import Site

pytestmark = pytest.mark.slow


def nowhere(site: "Site") -> dict[str, str]:
    """An environment in which nobody's real service manager is found, or home changed."""
    (site.folder / "runtime").mkdir(mode=0o700)
    return {
        "HOME": str(site.folder),
        "XDG_CONFIG_HOME": str(site.folder / "config"),
        "XDG_RUNTIME_DIR": str(site.folder / "runtime"),
        "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nonexistent",
    }


def test_doctor_says_how_to_run_the_daemon_here(served: "Site") -> None:
    done = served.run("doctor", "--json", **nowhere(served))

    report = json.loads(done.stdout)
    levels = {finding["subject"]: finding["level"] for finding in report["findings"]}
    assert done.returncode == 0, done.stderr
    assert report["mode"] != "service"
    assert (levels["server"], levels["lease"], levels["user manager"]) == ("ok", "ok", "note")


def test_doctor_names_what_prevents_the_daemon(site: "Site") -> None:
    (site.folder / "file").write_text("")
    variables = nowhere(site) | {"TORC_WATCHD_HOME": str(site.folder / "file")}

    done = site.run("doctor", **variables)

    assert done.returncode == 12
    assert "cannot be used: Not a directory." in done.stdout
    assert "TORC_WATCHD_HOME" in done.stdout
    assert "deploy/README.md" in done.stdout


def test_nothing_is_installed_without_a_service_manager(site: "Site") -> None:
    done = site.run("service", "install", **nowhere(site))

    assert done.returncode == 10
    assert "torc-watchd doctor" in done.stderr
    assert not (site.folder / "config").exists()
