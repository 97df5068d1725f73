"""Parts of torc-watchd that need packages that only some users install: the extras."""

from importlib import import_module
from types import ModuleType

from torc_watch.core.errors import InvalidInput
from torc_watch.core.missing_extra import missing_extra


def module_with_extra(module: str, extra: str, package: str) -> ModuleType:
    """The module, which is imported now. Raises InvalidInput where ``package`` is not installed."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != package:
            raise
        raise InvalidInput(missing_extra(extra)) from error
