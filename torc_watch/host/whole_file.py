"""Files that are there as a whole, or not at all."""

import os
from pathlib import Path
from shutil import copystat

_NEW = 0o666  # less what the umask takes


def write_whole(path: Path, text: str) -> None:
    """Replaces the file; one that is there keeps its mode and attributes. Raises OSError."""
    target = path.resolve()
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _NEW)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            if target.exists():
                copystat(target, draft)
                os.utime(draft)  # editors see that it has changed
            file.flush()
            os.fsync(descriptor)
        draft.replace(target)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
