"""The files that come with torc-watchd, apart from its modules."""

from pathlib import Path

import torc_watch


def resource(name: str) -> Path:
    """A folder of them: inside the package when it is installed, beside it in a checkout."""
    package = Path(torc_watch.__file__).parent
    installed = package / name
    return installed if installed.is_dir() else package.parent / name
