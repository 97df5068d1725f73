"""How many files this process may have open."""

import resource

_ENOUGH = 65_536


def raise_open_file_limit() -> None:
    """As many as the system lets us, since each watched workflow keeps its lock open.

    No more than enough: what we start inherits the limit, and there are programs that go through
    all the numbers that a file may have.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
