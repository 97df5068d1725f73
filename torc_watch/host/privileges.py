"""Whether the programs that this process starts may be more than it is."""

from pathlib import Path


def may_gain_privileges() -> bool:
    """Whether set-user-ID and set-group-ID programs work, as those of mail servers need.

    They do not in a service with NoNewPrivileges=.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return True
    return "NoNewPrivs:\t1" not in status
