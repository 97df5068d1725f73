"""Locks on open files, and whether a file that was opened still has its name."""

import os
from pathlib import Path
from threading import Thread

from torc_watch.host.file_lock import lock, still_has_name, try_lock


def test_second_holder_is_refused_until_the_first_closes_the_file(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with path.open("w") as second:
        with path.open("w") as first:
            assert try_lock(first)
            assert try_lock(first)  # its holder locks it again: no change
            assert not try_lock(second)
        assert try_lock(second)


def test_lock_waits_for_the_other_holder(tmp_path: Path) -> None:
    first = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    lock(first)
    with (tmp_path / "lock").open() as second:
        waiter = Thread(target=lock, args=(second,))
        waiter.start()
        waiter.join(0.05)
        assert waiter.is_alive()
        os.close(first)
        waiter.join()
        with (tmp_path / "lock").open() as third:
            assert not try_lock(third)


def test_file_that_was_renamed_or_removed_has_lost_its_name(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("w") as file:
        assert still_has_name(path, file)
        path.rename(tmp_path / "other")
        assert not still_has_name(path, file)
        path.touch()
        assert not still_has_name(path, file)
