"""Orders reach whoever reads the spool: whole, once, in order; nothing else does."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from torc_watch.daemon.commands import Action, Command, WatchOptions
from torc_watch.daemon.spool import Spool

SERVER = "http://test/torc-service/v1"
ORDER = Command(
    verb=Action.ADD,
    server=SERVER,
    workflow_id=42,
    choices=WatchOptions(
        auto_recover=True, memory_multiplier=2.0, recovery_hook=("sh", "-c", "true")
    ),
)
GIVEN_BY_MANY = """
import sys
from collections.abc import Callable
from pathlib import Path
from torc_watch.daemon.commands import Action, Command
from torc_watch.daemon.spool import Spool
for number in range(50):
    workflow_id = int(sys.argv[2]) * 50 + number + 1
    order = Command(verb=Action.ADD, server="http://s", workflow_id=workflow_id)
    Spool(Path(sys.argv[1])).put(order)
"""


def order(verb: Action) -> Command:
    return Command(verb=verb, server=SERVER, workflow_id=42)


def contents(spool: Spool) -> list[Command | str]:
    return [delivery.content for delivery in spool.deliveries()]


def test_an_order_arrives_as_it_was_given_until_it_is_taken_in(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    assert spool.deliveries() == []

    spool.put(ORDER)

    (delivery,) = Spool(tmp_path / "spool").deliveries()
    assert delivery.content == ORDER
    assert contents(spool) == [ORDER]
    spool.take_in(delivery)
    spool.take_in(delivery)
    assert spool.deliveries() == []


def test_orders_keep_their_order_when_the_clock_is_set_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path)
    now = time.time_ns()
    given = list(Action)
    for hour, verb in enumerate(given):
        monkeypatch.setattr(time, "time_ns", lambda hour=hour: now - hour * 3600 * 10**9)
        spool.put(order(verb))

    assert contents(spool) == [order(verb) for verb in given]


@pytest.mark.slow
def test_nothing_is_lost_when_many_give_orders_at_once(tmp_path: Path) -> None:
    givers = [
        subprocess.Popen([sys.executable, "-c", GIVEN_BY_MANY, str(tmp_path), str(giver)])
        for giver in range(4)
    ]
    seen: set[int] = set()
    spool = Spool(tmp_path)
    while any(giver.poll() is None for giver in givers) or spool.deliveries():
        for delivery in spool.deliveries():
            assert isinstance(delivery.content, Command)
            seen.add(delivery.content.workflow_id)
            spool.take_in(delivery)

    assert [giver.wait() for giver in givers] == [0] * 4
    assert seen == set(range(1, 201))


def make_text(text: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(text)


def make_link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def make_closed(path: Path) -> None:
    path.touch(mode=0)


BAD = {
    "empty": (make_text(""), "holds no order"),
    "garbage": (make_text("\0nonsense"), "holds no order"),
    "too much": (make_text(" " * 70_000), "is longer than"),
    "no verb": (make_text('{"server": "http://s", "workflow_id": 1}'), "holds no order"),
    "strange": (
        make_text('{"verb": "add", "server": "http://s", "workflow_id": 1, "run": "rm"}'),
        "holds no order",
    ),
    "too large an id": (
        make_text('{"verb": "add", "server": "http://s", "workflow_id": 9223372036854775808}'),
        "workflow_id 9223372036854775808",
    ),
    "an id in quotes": (
        make_text('{"verb": "add", "server": "http://s", "workflow_id": "1"}'),
        "valid integer",
    ),
    "an id that is none": (
        make_text('{"verb": "add", "server": "http://s", "workflow_id": true}'),
        "valid integer",
    ),
    "no server": (
        make_text('{"verb": "add", "server": "", "workflow_id": 1}'),
        "asks for what cannot be: server ''",
    ),
    "a terminal's server": (
        make_text('{"verb": "add", "server": "http://a\\u001b[2J", "workflow_id": 1}'),
        r"server 'http://a\x1b[2J'",
    ),
    "nothing to run": (
        make_text(
            '{"verb": "set", "server": "http://s", "workflow_id": 1, "choices":'
            ' {"recovery_hook": [], "output_dir": "a\\u0000"}}'
        ),
        r"recovery_hook (), output_dir 'a\x00'",
    ),
    "deep": (make_text("[" * 60_000), "holds no order"),
    "no id": (
        make_text('{"verb": "add", "server": "http://s", "workflow_id": 0}'),
        "asks for what cannot be: workflow_id 0",
    ),
    "no interval": (
        make_text(
            '{"verb": "set", "server": "http://s", "workflow_id": 1, "choices":'
            ' {"poll_interval": -1, "memory_multiplier": 0.1, "runtime_multiplier": 1,'
            ' "max_retries": -3}}'
        ),
        "max_retries -3, memory_multiplier 0.1, runtime_multiplier 1.0, poll_interval -1.0",
    ),
    "link": (make_link, "cannot be opened"),
    "pipe": (os.mkfifo, "is no plain file"),
    "folder": (Path.mkdir, "is no plain file"),
    "closed": (make_closed, "cannot be opened: Permission denied"),
}


@pytest.mark.parametrize(("make", "problem"), BAD.values(), ids=BAD)
def test_what_is_no_order_is_set_aside_and_kept(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[Path], object],
    problem: str,
) -> None:
    obey_modes(monkeypatch)
    spool = Spool(tmp_path)
    spool.put(ORDER)
    make(tmp_path / "incoming" / "0.json")

    bad, good = spool.deliveries()

    assert isinstance(bad.content, str)
    assert problem in bad.content
    assert good.content == ORDER
    assert spool.set_aside(bad).parent == tmp_path / "rejected"
    assert contents(spool) == [ORDER]


def obey_modes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the tests run as root."""
    opened = os.open

    def strict(path: Path, *arguments: int) -> int:
        if Path(path).exists() and not Path(path).stat().st_mode & 0o700:
            raise PermissionError(13, "Permission denied")
        return opened(path, *arguments)

    monkeypatch.setattr(os, "open", strict)


def test_what_has_the_same_name_is_set_aside_as_well(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.put(ORDER)
    name = "x" * 200
    for number in range(2):
        full = tmp_path / "incoming" / name
        full.mkdir()
        (full / f"file {number}").touch()
        spool.set_aside(spool.deliveries()[-1])

    assert contents(spool) == [ORDER]
    assert len(list((tmp_path / "rejected").glob("*/file *"))) == 2


def test_passing_trouble_costs_no_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path)
    spool.put(ORDER)

    def stale(*_: object) -> int:
        raise OSError(116, "Stale file handle")

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", stale)
        with pytest.raises(OSError, match="Stale"):
            spool.deliveries()
    assert contents(spool) == [ORDER]


def test_what_another_daemon_takes_in_meanwhile_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path)
    spool.put(ORDER)

    def gone(*_: object) -> int:
        raise FileNotFoundError

    monkeypatch.setattr(os, "open", gone)
    assert spool.deliveries() == []


def test_an_order_that_finds_no_room_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        Spool(tmp_path).put(ORDER)

    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
