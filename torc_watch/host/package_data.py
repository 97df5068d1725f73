"""Data folders of the package: ``deploy``, ``examples``, ``systemd``."""

from pathlib import Path

import torc_watch


def data_folder(name: str) -> Path:
    """Its path: inside the package when installed, beside the package in a checkout."""
    package = Path(torc_watch.__file__).parent
    installed = package / name
    return installed if installed.is_dir() else package.parent / name
