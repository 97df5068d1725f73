"""The lease has one holder at a time: among processes and machines, and after suspensions."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from torc_watch.core.errors import LeaseLost
from torc_watch.daemon.lease import Lease, this_holder
from torc_watch.daemon.lease_rules import RELEASED, Holder, LeaseState, Sighting, lease_state
from torc_watch.host.processes import Liveness

PATIENCE = 180.0
ME = this_holder(PATIENCE)
ELSEWHERE = replace(ME, host="login02", boot="another")
IN_A_CONTAINER = replace(ME, namespace="pid:[1]", pid=1, started=1)
GONE = replace(ME, pid=2**30)
PID_REUSED = replace(ME, started=ME.started + 1)

RIVAL = """
import sys, time
from pathlib import Path
from torc_watch.core.errors import LeaseLost
from torc_watch.daemon.lease import Lease, this_holder
lease = Lease(Path(sys.argv[1]), this_holder(180.0))
print("ready", flush=True)
sys.stdin.readline()
print(lease.acquire(time.monotonic()), flush=True)
sys.stdin.readline()
try:
    lease.beat()
except LeaseLost:
    print("lost", flush=True)
"""


class Rival:
    """Another process that acquires the lease. It does one step for each line that it receives."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-c", RIVAL, str(folder)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def step(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


def seen_of(holder: Holder | None, heartbeat: int = 9) -> Sighting:
    return Sighting(epoch=3, heartbeat=heartbeat, holder=holder)


@pytest.fixture
def start_rival(tmp_path: Path) -> Iterator[Callable[[], Rival]]:
    rivals: list[Rival] = []

    def start() -> Rival:
        rivals.append(Rival(tmp_path))
        return rivals[-1]

    yield start
    for rival in rivals:
        rival.process.kill()
        rival.process.communicate()


@pytest.mark.parametrize(
    ("seen", "holder", "unchanged_for", "state"),
    [
        (None, Liveness.UNKNOWN, 0, LeaseState.VACANT),
        (seen_of(ELSEWHERE, RELEASED), Liveness.UNKNOWN, 0, LeaseState.VACANT),
        (seen_of(ME), Liveness.ALIVE, 0, LeaseState.HELD),
        (seen_of(ME), Liveness.GONE, 0, LeaseState.VACANT),
        (seen_of(ME), Liveness.ALIVE, PATIENCE, LeaseState.VACANT),
        (seen_of(ELSEWHERE), Liveness.UNKNOWN, PATIENCE - 1, LeaseState.HELD),
        (seen_of(ELSEWHERE), Liveness.UNKNOWN, PATIENCE, LeaseState.VACANT),
        (seen_of(None), Liveness.UNKNOWN, 0, LeaseState.HELD),
        (seen_of(None), Liveness.UNKNOWN, PATIENCE, LeaseState.VACANT),
    ],
)
def test_state_of_a_lease(
    seen: Sighting | None, holder: Liveness, unchanged_for: float, state: LeaseState
) -> None:
    assert state is lease_state(seen, ME, holder=holder, unchanged_for=unchanged_for)


@pytest.mark.parametrize(
    ("holder", "liveness"),
    [
        (ME, Liveness.ALIVE),
        (GONE, Liveness.GONE),
        (PID_REUSED, Liveness.GONE),
        (ELSEWHERE, Liveness.UNKNOWN),
        (IN_A_CONTAINER, Liveness.UNKNOWN),  # the PID means another process there
    ],
)
def test_liveness_of_a_holder(holder: Holder, liveness: Liveness) -> None:
    assert holder.liveness(seen_from=ME.space) is liveness


@pytest.mark.parametrize(("mine", "theirs"), [(4.0, 180.0), (180.0, 4.0), (180.0, 0.0)])
def test_lease_expires_after_the_longer_timeout_of_the_two_daemons(
    mine: float, theirs: float
) -> None:
    seen = Sighting(epoch=3, heartbeat=9, holder=replace(ELSEWHERE, patience=theirs))
    me = replace(ME, patience=mine)

    states = [
        lease_state(seen, me, holder=Liveness.UNKNOWN, unchanged_for=seconds)
        for seconds in (179, 180)
    ]
    assert states == [LeaseState.HELD, LeaseState.VACANT]


def test_changing_heartbeat_keeps_the_lease(tmp_path: Path) -> None:
    ours, theirs = Lease(tmp_path, ELSEWHERE), Lease(tmp_path, ME)

    assert ours.acquire(0)
    assert not theirs.acquire(0)
    ours.beat()
    assert not theirs.acquire(PATIENCE)  # it has been unchanged since this call
    assert not theirs.acquire(2 * PATIENCE - 1)
    assert theirs.holder() == ELSEWHERE

    assert theirs.acquire(2 * PATIENCE)
    assert theirs.holder() == ME
    assert theirs.predecessor == ELSEWHERE
    for mark in (ours.beat, ours.release):
        with pytest.raises(LeaseLost):
            mark()
    theirs.beat()


def test_heartbeat_counts_with_any_file_time(tmp_path: Path) -> None:
    ours, theirs = Lease(tmp_path, ELSEWHERE), Lease(tmp_path, ME)
    assert ours.acquire(0)
    for number, hours in enumerate((0, -1, 1, -1)):
        beaten = time.time() + hours * 3600
        os.utime(tmp_path / "1", (beaten, beaten))
        assert not theirs.acquire(number * (PATIENCE + 1))


def test_file_that_cannot_be_deleted_is_ignored(tmp_path: Path) -> None:
    """NFS renames a deleted file that a process has open."""
    (tmp_path / ".nfs0001").mkdir()
    lease = Lease(tmp_path, ME)
    assert lease.acquire(0)
    lease.beat()


def test_released_lease_is_vacant_at_once_and_keeps_its_number(tmp_path: Path) -> None:
    ours, theirs = Lease(tmp_path, ELSEWHERE), Lease(tmp_path, ME)
    assert ours.acquire(0)
    ours.release()

    assert theirs.holder() is None
    assert theirs.acquire(0)
    assert [path.name for path in tmp_path.iterdir()] == ["2"]
    assert theirs.predecessor is None
    with pytest.raises(LeaseLost):
        ours.beat()


def test_dead_holder_on_this_machine_is_replaced_at_once(tmp_path: Path) -> None:
    assert Lease(tmp_path, GONE).acquire(0)
    assert Lease(tmp_path, ME).acquire(0)


def test_holder_acquires_its_own_lease_again(tmp_path: Path) -> None:
    """The daemon does so after an error of the state folder."""
    lease = Lease(tmp_path, ME)
    assert lease.acquire(0)
    assert lease.acquire(1)
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


def test_epoch_that_is_listed_but_missing_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network file system may list a removed file for a while."""
    monkeypatch.setattr(Path, "iterdir", lambda folder: iter([folder / "7"]))
    with pytest.raises(FileNotFoundError):
        Lease(tmp_path, ME).acquire(0)


def test_emptied_folder_ends_the_lease(tmp_path: Path) -> None:
    lease = Lease(tmp_path, ME)
    assert lease.acquire(0)
    for path in tmp_path.iterdir():
        path.unlink()
    with pytest.raises(LeaseLost):
        lease.beat()


def test_same_epoch_of_another_holder_is_not_ours(tmp_path: Path) -> None:
    ours, theirs = Lease(tmp_path, ME), Lease(tmp_path, ELSEWHERE)
    assert ours.acquire(0)
    (tmp_path / "1").unlink()
    assert theirs.acquire(0)

    with pytest.raises(LeaseLost):
        ours.beat()
    theirs.beat()


def test_cached_listing_does_not_hide_a_takeover(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network file system may cache the listing."""
    ours, theirs = Lease(tmp_path, ELSEWHERE), Lease(tmp_path, ME)
    assert ours.acquire(0)
    assert not theirs.acquire(0)
    assert theirs.acquire(PATIENCE)
    monkeypatch.setattr(Path, "iterdir", lambda folder: iter([folder / "1"]))

    with pytest.raises(LeaseLost):
        ours.beat()


def test_record_without_a_timeout_is_read(tmp_path: Path) -> None:
    record = asdict(ELSEWHERE)
    del record["patience"]
    (tmp_path / "4").write_text(json.dumps(record))

    assert Lease(tmp_path, ME).holder() == replace(ELSEWHERE, patience=0)


@pytest.mark.parametrize("text", ["", "{}", "[]", "nonsense"])
def test_unreadable_record_holds_the_lease_for_our_own_timeout(tmp_path: Path, text: str) -> None:
    (tmp_path / "4").write_text(text)
    lease = Lease(tmp_path, ME)

    assert not lease.acquire(0)
    assert lease.acquire(PATIENCE)
    assert (tmp_path / "5").exists()


def test_daemon_whose_draft_was_deleted_does_not_get_the_lease(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link_of_a_rival(draft: Path, file: Path) -> None:
        draft.unlink()
        file.write_text("")
        raise FileExistsError

    monkeypatch.setattr(os, "link", link_of_a_rival)

    assert not Lease(tmp_path, ME).acquire(0)


def test_link_that_succeeded_despite_an_error_acquires_the_lease(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def link_with_an_error(draft: Path, file: Path) -> None:
        link(draft, file)
        raise FileExistsError

    monkeypatch.setattr(os, "link", link_with_an_error)

    assert Lease(tmp_path, ME).acquire(0)


def test_drafts_of_equal_processes_have_different_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In two containers with the same host name, both may be process 1."""
    drafts: list[Path] = []
    link = os.link

    def recorded_link(draft: Path, file: Path) -> None:
        drafts.append(draft)
        link(draft, file)

    monkeypatch.setattr(os, "link", recorded_link)
    for folder in (tmp_path / "a", tmp_path / "b"):
        assert Lease(folder, ME).acquire(0)

    assert drafts[0].name != drafts[1].name


def test_one_of_several_simultaneous_processes_acquires_the_lease(
    start_rival: Callable[[], Rival],
) -> None:
    rivals = [start_rival() for _ in range(4)]
    assert [rival.answer() for rival in rivals] == ["ready"] * 4

    for rival in rivals:
        rival.step()

    assert sorted(rival.answer() for rival in rivals) == ["False", "False", "False", "True"]


def test_suspended_holder_loses_the_lease_after_a_takeover(
    tmp_path: Path, start_rival: Callable[[], Rival]
) -> None:
    paused = start_rival()
    paused.step()
    assert [paused.answer(), paused.answer()] == ["ready", "True"]
    paused.process.send_signal(signal.SIGSTOP)
    lease = Lease(tmp_path, ME)

    assert not lease.acquire(0)  # the holder is alive, and may resume
    assert lease.acquire(PATIENCE)

    paused.process.send_signal(signal.SIGCONT)
    paused.step()
    assert paused.answer() == "lost"
    lease.beat()


def test_takeover_just_before_a_heartbeat_is_detected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The heartbeat is written before the check; otherwise neither daemon would see the other."""
    ours = Lease(tmp_path, ELSEWHERE)
    assert ours.acquire(0)
    utime = os.utime

    def utime_after_a_takeover(file: Path, times: tuple[int, int] | None) -> None:
        (tmp_path / "2").write_text(json.dumps(asdict(ME)))  # our file still exists
        utime(file, times)

    monkeypatch.setattr(os, "utime", utime_after_a_takeover)

    with pytest.raises(LeaseLost):
        ours.beat()


def test_next_epoch_is_read_when_an_epoch_disappears(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A successor removed it after the folder was listed and before the file was read."""
    assert Lease(tmp_path, ELSEWHERE).acquire(0)
    (tmp_path / "1").rename(tmp_path / "2")
    lists = iter([["1"], ["2"]])
    monkeypatch.setattr(
        Path, "iterdir", lambda folder: iter([folder / name for name in next(lists)])
    )

    assert Lease(tmp_path, ME).holder() == ELSEWHERE
