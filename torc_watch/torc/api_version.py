"""Which of the two API dialects a server speaks.

Torc 0.12 answers ``/version`` with a bare string, the servers that torc-client 0.35 is made for
with an object. Where between them the API changed is not published, so the shape of the answer
decides, not the number in it; a server newer than both is taken for the newest that is known.
"""

import re
from enum import Enum
from typing import Any

from torc_watch.core.errors import RequestRejected, ServerFault

_OLDEST = (0, 12)
_NEWEST = (1, 0)  # that this program was tried with
_VERSION = re.compile(r"v?(?P<major>[0-9]{1,6})\.(?P<minor>[0-9]{1,6})", re.ASCII)


class ApiVersion(Enum):
    V0_12 = "0.12"
    V0_35 = "0.35"


def detect_api_version(version_answer: Any) -> tuple[ApiVersion, str]:
    """The dialect, and the version text, from the decoded answer to ``GET /version``.

    Raises RequestRejected for a server older than 0.12, ServerFault for what is no version.
    """
    match version_answer:
        case str(text):
            dialect = ApiVersion.V0_12
        case {"version": str(text)}:
            dialect = ApiVersion.V0_35
        case _:
            text = ""
            dialect = ApiVersion.V0_35
    release = _release(text)
    if release < _OLDEST:
        raise RequestRejected(
            f"The server runs Torc {_shown(release)}, which is too old: {_shown(_OLDEST)} or newer "
            "is needed."
        )
    return dialect, text


def caution(version: str) -> str | None:
    """What to tell people of a server that is newer than all that this program knows."""
    release = _release(version)
    if release <= _NEWEST:
        return None
    return (
        f"The server runs Torc {_shown(release)}; {_shown(_NEWEST)} is the newest that this "
        "program was tried with. Jobs in a status that it does not know count as unfinished."
    )


def _shown(release: tuple[int, int]) -> str:
    return ".".join(map(str, release))


def _release(version: str) -> tuple[int, int]:
    found = _VERSION.match(version)
    if found is None:
        raise ServerFault(
            "The server does not say which version of Torc it is. Check that the URL is a Torc "
            "server's."
        )
    return int(found["major"]), int(found["minor"])
