"""--version: which torc-watchd this is."""

from importlib.metadata import version


def show_version() -> None:
    print("torc-watchd", version("torc-watch"))
