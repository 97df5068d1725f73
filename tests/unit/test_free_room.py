"""Whether files can be written into a folder."""

import os
from collections.abc import Callable
from errno import EACCES, EDQUOT, EIO, ENOSPC
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from torc_watch.engine.output_reader import Perform
from torc_watch.engine.room_probe import RoomProbe
from torc_watch.host import free_room
from torc_watch.host.free_room import has_free_room, refuses_files


def numbers(**more: int) -> SimpleNamespace:
    usual = {"f_bavail": 2**20, "f_frsize": 4096, "f_files": 100, "f_favail": 10}
    return SimpleNamespace(**usual | more)


@pytest.mark.parametrize(
    ("found", "has_room"),
    [
        pytest.param(numbers(), True, id="room"),
        pytest.param(numbers(f_bavail=10), False, id="no-blocks"),
        pytest.param(numbers(f_favail=0), False, id="no-inodes"),
        pytest.param(numbers(f_files=0, f_favail=0), True, id="inodes-not-counted"),
    ],
)
def test_numbers_of_the_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: SimpleNamespace, *, has_room: bool
) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _: found)
    assert has_free_room(tmp_path, writes=True) == has_room


@pytest.mark.parametrize(
    ("number", "has_room"),
    [
        pytest.param(EDQUOT, False, id="quota"),
        pytest.param(ENOSPC, False, id="full"),
        pytest.param(EACCES, True, id="not-known"),
        pytest.param(EIO, True, id="unwell"),
    ],
)
def test_quota_shows_when_a_file_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, *, has_room: bool
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(free_room, "TemporaryFile", refuse)
    assert has_free_room(tmp_path, writes=True) == has_room
    assert has_free_room(tmp_path, writes=False)
    assert refuses_files(tmp_path) != has_room


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    assert has_free_room(tmp_path, writes=True)
    assert not refuses_files(tmp_path)
    assert list(tmp_path.iterdir()) == []


async def test_folder_that_is_not_there_does_not_matter(tmp_path: Path) -> None:
    assert await RoomProbe()(tmp_path, str(tmp_path / "gone"))
    assert not refuses_files(tmp_path / "gone")


async def test_probe_that_hangs_finds_no_room(tmp_path: Path) -> None:
    async def give_up(_: Any) -> None:
        pass

    assert not await RoomProbe(lambda: give_up)(tmp_path, None)


async def test_folder_that_hangs_holds_up_no_other(tmp_path: Path) -> None:
    made: list[str] = []

    def reader() -> Perform:
        async def perform(work: Callable[[], None]) -> None:
            if name == "first":
                return  # gave up
            work()

        name = "second" if made else "first"
        made.append(name)
        return perform

    probe = RoomProbe(reader)
    (tmp_path / "hangs").mkdir()
    assert not await probe(tmp_path / "hangs", None)
    assert await probe(tmp_path, None)
    assert not await probe(tmp_path / "hangs", None)
    assert made == ["first", "second"]
