"""Folders in which nobody but the user may write."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from torc_watch.daemon.commands import Action, Command
from torc_watch.daemon.lease import Lease, this_holder
from torc_watch.daemon.spool import Spool
from torc_watch.host.private_folder import make_private, writable_by_others


@pytest.fixture(autouse=True)
def shared(tmp_path: Path) -> Iterator[Path]:
    """A folder of a group, for whose members new files are writable."""
    before = os.umask(0o002)
    tmp_path.chmod(0o2775)
    yield tmp_path
    os.umask(before)


def mode(folder: Path) -> str:
    return f"{folder.stat().st_mode & 0o777:o}"


def test_all_that_are_made_are_private(shared: Path) -> None:
    make_private(shared / "a", shared / "a" / "b")

    assert (mode(shared / "a"), mode(shared / "a" / "b")) == ("700", "700")
    assert mode(shared) == "775", "whose folder that is, nobody knows"


def test_an_open_one_is_closed_to_writers_and_stays_readable(shared: Path) -> None:
    (shared / "a").mkdir()
    assert writable_by_others([shared / "a", shared / "nothing"]) == (shared / "a",)

    make_private(shared / "a")

    assert mode(shared / "a") == "755"
    assert writable_by_others([shared / "a"]) == ()


def test_folders_of_the_daemon_are_private(shared: Path) -> None:
    command = Command(action=Action.ADD, server="http://a", workflow_id=1)
    Spool(shared / "one" / "spool").put(command)
    Lease(shared / "one" / "lease", this_holder()).acquire(0)
    Lease(shared / "two" / "lease", this_holder()).acquire(0)

    folders = [path for path in shared.rglob("*") if path.is_dir()]
    assert {mode(folder) for folder in folders} == {"700"}


def test_a_spool_of_an_earlier_version_is_closed(shared: Path) -> None:
    (shared / "spool" / "incoming").mkdir(parents=True)
    assert len(writable_by_others([shared / "spool", shared / "spool" / "incoming"])) == 2

    Spool(shared / "spool").close_to_others()

    assert writable_by_others(shared.rglob("*")) == ()
