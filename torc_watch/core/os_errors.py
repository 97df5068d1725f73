"""What a person may do about a folder that cannot be used."""

import errno

_ROOM = "Make room there."
_RIGHT = (
    "Look whether it is yours and, where your home needs a ticket, whether you have one (klist)."
)
_ANSWER = "Its file system does not answer: try again later, or on another login node."
_REMEDIES = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EROFS: "It is read-only here: try again on another login node.",
    errno.EACCES: _RIGHT,
    errno.EPERM: _RIGHT,
    errno.ENOKEY: _RIGHT,
    errno.EKEYEXPIRED: _RIGHT,
    errno.EKEYREJECTED: _RIGHT,
    errno.ESTALE: _ANSWER,
    errno.EIO: _ANSWER,
    errno.ETIMEDOUT: _ANSWER,
    errno.EHOSTDOWN: _ANSWER,
}


def describe_os_error(error: OSError) -> str:
    """What the system says, and what to do about it where that is known."""
    return f"{error.strerror or error}. {_REMEDIES.get(error.errno or 0, '')}".rstrip()
