"""One holder at a time: over processes, machines that cannot see each other's, and long pauses."""

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
from torc_watch.daemon.lease import Lease, this_process
from torc_watch.daemon.lease_rules import RELEASED, LeaseState, Sighting, judge

PATIENCE = 180.0
ME = this_process(PATIENCE)
ELSEWHERE = replace(ME, host="login02", boot="another")
IN_A_CONTAINER = replace(ME, namespace="pid:[1]", pid=1, started=1)
GONE = replace(ME, pid=2**30)

RIVAL = """
import sys, time
from pathlib import Path
from torc_watch.core.errors import LeaseLost
from torc_watch.daemon.lease import Lease, this_process
lease = Lease(Path(sys.argv[1]), this_process(180.0))
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
    """Another process that wants the lease, and does a step for each line that it is sent."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-c", RIVAL, str(folder)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def go_on(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def word(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


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
    ("seen", "is_running", "unchanged_for", "standing"),
    [
        (None, False, 0, LeaseState.VACANT),
        (Sighting(epoch=3, heartbeat=RELEASED, holder=ELSEWHERE), False, 0, LeaseState.VACANT),
        (Sighting(epoch=3, heartbeat=9, holder=ME), True, 0, LeaseState.HELD),
        (Sighting(epoch=3, heartbeat=9, holder=ME), False, 0, LeaseState.VACANT),
        (Sighting(epoch=3, heartbeat=9, holder=ME), True, PATIENCE, LeaseState.VACANT),
        (Sighting(epoch=3, heartbeat=9, holder=ELSEWHERE), False, PATIENCE - 1, LeaseState.HELD),
        (Sighting(epoch=3, heartbeat=9, holder=ELSEWHERE), False, PATIENCE, LeaseState.VACANT),
        (Sighting(epoch=3, heartbeat=9, holder=IN_A_CONTAINER), False, 0, LeaseState.HELD),
        (Sighting(epoch=3, heartbeat=9, holder=None), False, 0, LeaseState.HELD),
        (Sighting(epoch=3, heartbeat=9, holder=None), False, PATIENCE, LeaseState.VACANT),
    ],
)
def test_when_a_lease_may_be_taken(
    seen: Sighting | None, is_running: bool, unchanged_for: float, standing: LeaseState
) -> None:
    assert standing is judge(seen, ME, is_running=is_running, unchanged_for=unchanged_for)


@pytest.mark.parametrize(("mine", "theirs"), [(4.0, 180.0), (180.0, 4.0), (180.0, 0.0)])
def test_nobody_is_given_up_sooner_than_either_agrees_to(mine: float, theirs: float) -> None:
    seen = Sighting(epoch=3, heartbeat=9, holder=replace(ELSEWHERE, patience=theirs))
    me = replace(ME, patience=mine)

    assert judge(seen, me, is_running=False, unchanged_for=179) is LeaseState.HELD
    assert judge(seen, me, is_running=False, unchanged_for=180) is LeaseState.VACANT


def test_a_heartbeat_that_moves_keeps_the_lease(tmp_path: Path) -> None:
    ours, theirs = Lease(tmp_path, ELSEWHERE), Lease(tmp_path, ME)

    assert ours.acquire(0)
    assert not theirs.acquire(0)
    ours.beat()
    assert not theirs.acquire(PATIENCE)  # unchanged since this call only
    assert not theirs.acquire(2 * PATIENCE - 1)
    assert theirs.holder() == ELSEWHERE

    assert theirs.acquire(2 * PATIENCE)
    assert theirs.holder() == ME
    assert theirs.predecessor == ELSEWHERE
    for mark in (ours.beat, ours.release):
        with pytest.raises(LeaseLost):
            mark()
    theirs.beat()


def test_a_heartbeat_counts_whatever_the_clock_says(tmp_path: Path) -> None:
    ours, theirs = Lease(tmp_path, ELSEWHERE), Lease(tmp_path, ME)
    assert ours.acquire(0)
    for number, hours in enumerate((0, -1, 1, -1)):
        beaten = time.time() + hours * 3600
        os.utime(tmp_path / "1", (beaten, beaten))
        assert not theirs.acquire(number * (PATIENCE + 1))


def test_what_cannot_be_swept_up_is_left(tmp_path: Path) -> None:
    """NFS keeps a file under another name for whoever has it open."""
    (tmp_path / ".nfs0001").mkdir()
    lease = Lease(tmp_path, ME)
    assert lease.acquire(0)
    lease.beat()


def test_a_lease_given_back_is_free_at_once_and_keeps_its_number(tmp_path: Path) -> None:
    ours, theirs = Lease(tmp_path, ELSEWHERE), Lease(tmp_path, ME)
    assert ours.acquire(0)
    ours.release()

    assert theirs.holder() is None
    assert theirs.acquire(0)
    assert [path.name for path in tmp_path.iterdir()] == ["2"]
    assert theirs.predecessor is None
    with pytest.raises(LeaseLost):
        ours.beat()


def test_a_process_of_this_machine_that_is_gone_is_followed_at_once(tmp_path: Path) -> None:
    assert Lease(tmp_path, GONE).acquire(0)
    assert Lease(tmp_path, ME).acquire(0)


def test_who_holds_it_need_not_wait_for_himself(tmp_path: Path) -> None:
    """After trouble with the state folder."""
    lease = Lease(tmp_path, ME)
    assert lease.acquire(0)
    assert lease.acquire(1)
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


def test_an_epoch_that_is_listed_but_gone_is_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network file system may show a name for a while after it was removed."""
    monkeypatch.setattr(Path, "iterdir", lambda folder: iter([folder / "7"]))
    with pytest.raises(FileNotFoundError):
        Lease(tmp_path, ME).acquire(0)


def test_a_folder_that_was_emptied_holds_nothing(tmp_path: Path) -> None:
    lease = Lease(tmp_path, ME)
    assert lease.acquire(0)
    for path in tmp_path.iterdir():
        path.unlink()
    with pytest.raises(LeaseLost):
        lease.beat()


def test_a_folder_that_was_emptied_and_used_again_is_another_s(tmp_path: Path) -> None:
    ours, theirs = Lease(tmp_path, ME), Lease(tmp_path, ELSEWHERE)
    assert ours.acquire(0)
    (tmp_path / "1").unlink()
    assert theirs.acquire(0)

    with pytest.raises(LeaseLost):
        ours.beat()
    theirs.beat()


def test_an_old_list_of_the_folder_does_not_hide_that_we_were_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network file system may remember it for a while."""
    ours, theirs = Lease(tmp_path, ELSEWHERE), Lease(tmp_path, ME)
    assert ours.acquire(0)
    assert not theirs.acquire(0)
    assert theirs.acquire(PATIENCE)
    monkeypatch.setattr(Path, "iterdir", lambda folder: iter([folder / "1"]))

    with pytest.raises(LeaseLost):
        ours.beat()


def test_the_record_of_a_version_that_says_less_is_read(tmp_path: Path) -> None:
    record = asdict(ELSEWHERE)
    del record["patience"]
    (tmp_path / "4").write_text(json.dumps(record))

    assert Lease(tmp_path, ME).holder() == replace(ELSEWHERE, patience=0)


@pytest.mark.parametrize("text", ["", "{}", "[]", "nonsense"])
def test_a_record_that_cannot_be_read_is_respected_for_a_while(tmp_path: Path, text: str) -> None:
    (tmp_path / "4").write_text(text)
    lease = Lease(tmp_path, ME)

    assert not lease.acquire(0)
    assert lease.acquire(PATIENCE)
    assert (tmp_path / "5").exists()


def test_who_was_swept_up_at_the_last_moment_has_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faster(draft: Path, file: Path) -> None:
        draft.unlink()
        file.write_text("")
        raise FileExistsError

    monkeypatch.setattr(os, "link", faster)

    assert not Lease(tmp_path, ME).acquire(0)


def test_who_was_not_told_that_it_won_has_won(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def done_and_refused(draft: Path, file: Path) -> None:
        link(draft, file)
        raise FileExistsError

    monkeypatch.setattr(os, "link", done_and_refused)

    assert Lease(tmp_path, ME).acquire(0)


def test_what_another_of_our_number_has_linked_is_not_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In two containers of one name both may be process 1."""
    drafts: list[Path] = []
    link = os.link

    def watched(draft: Path, file: Path) -> None:
        drafts.append(draft)
        link(draft, file)

    monkeypatch.setattr(os, "link", watched)
    for folder in (tmp_path / "a", tmp_path / "b"):
        assert Lease(folder, ME).acquire(0)

    assert drafts[0].name != drafts[1].name


def test_of_many_who_come_at_once_one_wins(start_rival: Callable[[], Rival]) -> None:
    rivals = [start_rival() for _ in range(4)]
    assert [rival.word() for rival in rivals] == ["ready"] * 4

    for rival in rivals:
        rival.go_on()

    assert sorted(rival.word() for rival in rivals) == ["False", "False", "False", "True"]


def test_a_holder_that_stood_still_finds_out_when_it_goes_on(
    tmp_path: Path, start_rival: Callable[[], Rival]
) -> None:
    paused = start_rival()
    paused.go_on()
    assert [paused.word(), paused.word()] == ["ready", "True"]
    paused.process.send_signal(signal.SIGSTOP)
    lease = Lease(tmp_path, ME)

    assert not lease.acquire(0)  # it exists, and may go on at any moment
    assert lease.acquire(PATIENCE)

    paused.process.send_signal(signal.SIGCONT)
    paused.go_on()
    assert paused.word() == "lost"
    lease.beat()


def test_successor_that_appears_just_before_a_heartbeat_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Marks first and looks afterwards: in the other order neither would see the other."""
    ours = Lease(tmp_path, ELSEWHERE)
    assert ours.acquire(0)
    utime = os.utime

    def followed_meanwhile(file: Path, times: tuple[int, int] | None) -> None:
        (tmp_path / "2").write_text(json.dumps(asdict(ME)))  # it has not yet removed our file
        utime(file, times)

    monkeypatch.setattr(os, "utime", followed_meanwhile)

    with pytest.raises(LeaseLost):
        ours.beat()


def test_epoch_that_goes_while_it_is_read_gives_way_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A successor swept it up between the list of the folder and the reading of the file."""
    assert Lease(tmp_path, ELSEWHERE).acquire(0)
    (tmp_path / "1").rename(tmp_path / "2")
    lists = iter([["1"], ["2"]])
    monkeypatch.setattr(
        Path, "iterdir", lambda folder: iter([folder / name for name in next(lists)])
    )

    assert Lease(tmp_path, ME).holder() == ELSEWHERE
