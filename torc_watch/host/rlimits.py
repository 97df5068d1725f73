"""The limit on open files of this process."""

import resource

_ENOUGH = 65_536


def raise_open_file_limit() -> None:
    """Raises the soft limit, since each watched workflow keeps its lock file open.

    At most to 65,536: child processes inherit the limit, and some programs loop over every
    possible file descriptor.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
