"""Folders in which nobody but the user may write."""

import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def make_private(*folders: Path) -> None:
    """Makes each folder, in this order, and takes from others the right to write in it.

    Its parent is as private if it is made, too, but stays as it is found. A folder of another user
    stays as it is. Raises OSError when one cannot be made.
    """
    for folder in folders:
        if not folder.parent.exists():
            folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        mode = folder.stat().st_mode
        if mode & _OTHERS_WRITE:
            with suppress(PermissionError):
                folder.chmod(stat.S_IMODE(mode) & ~_OTHERS_WRITE)


def writable_by_others(folders: Iterable[Path]) -> tuple[Path, ...]:
    """Those that exist and in which others may write; unknown ones are left out."""
    return tuple(each for each in folders if _mode(each) & _OTHERS_WRITE)


def _mode(folder: Path) -> int:
    try:
        return folder.stat().st_mode
    except OSError:
        return 0
