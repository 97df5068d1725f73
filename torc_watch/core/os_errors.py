"""Error texts for files and folders, with advice for the user."""

import errno

_FULL = "Free some space there."
_DENIED = (
    "Check that you own it and, if your home needs a Kerberos ticket, that you have one (klist)."
)
_NO_ANSWER = "Its file system does not respond: try again later, or on another login node."
_ADVICE = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EROFS: "It is read-only here: try again on another login node.",
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.ENOKEY: _DENIED,
    errno.EKEYEXPIRED: _DENIED,
    errno.EKEYREJECTED: _DENIED,
    errno.ESTALE: _NO_ANSWER,
    errno.EIO: _NO_ANSWER,
    errno.ETIMEDOUT: _NO_ANSWER,
    errno.EHOSTDOWN: _NO_ANSWER,
}


def describe_os_error(error: OSError) -> str:
    """The system's message, followed by advice if there is any."""
    return f"{error.strerror or error}. {_ADVICE.get(error.errno or 0, '')}".rstrip()
