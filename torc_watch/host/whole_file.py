"""Files that are there as a whole, or not at all."""

import os
import stat
from pathlib import Path

_NEW = 0o666  # less what the umask takes


def write_whole(path: Path, text: str) -> None:
    """Replaces the file; one that is there keeps its mode. Raises OSError."""
    target = path.resolve()
    mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else None
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _NEW)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            if mode is not None:
                os.fchmod(descriptor, mode)
            file.flush()
            os.fsync(descriptor)
        draft.replace(target)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
