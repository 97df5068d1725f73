"""The folder that scripts of allocations, and the output of jobs, are written into."""

import os
from errno import EACCES, ENOTDIR
from pathlib import Path


def prepare_output_folder(path: Path, *, creates: bool) -> None:
    """Raises OSError for a folder that cannot be written into, also without creating it."""
    there = next(each for each in (path, *path.absolute().parents) if each.exists())
    if not there.is_dir():
        raise NotADirectoryError(ENOTDIR, os.strerror(ENOTDIR))
    if not os.access(there, os.W_OK | os.X_OK):
        raise PermissionError(EACCES, os.strerror(EACCES))
    if creates:
        path.mkdir(parents=True, exist_ok=True)
