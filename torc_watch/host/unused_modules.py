"""Optional parts of libraries that torc-watchd never uses."""

import sys

# httpx would load its own command line, and structlog rich for its console output: 5 MiB and
# 0.06 s of each process.
_UNUSED = ("httpx._main", "rich")


def use_module(name: str) -> None:
    """Shows a hidden one again, for a command whose libraries need it."""
    if sys.modules.get(name, ...) is None:
        del sys.modules[name]


def hide_unused_modules() -> None:
    """For entry points, before they import such a library: it then does without these modules."""
    for name in _UNUSED:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]
