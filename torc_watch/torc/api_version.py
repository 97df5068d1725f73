"""Detects which of the two API versions a server speaks.

Torc 0.12 answers ``/version`` with a bare string, Torc 1.0 with an object. The release in which the
API changed is not published, so the form of the answer decides, not its number. A server newer than
1.0 is treated as 1.0.
"""

import re
from enum import Enum
from typing import Any

from torc_watch.core.errors import RequestRejected, ServerFault

_OLDEST = (0, 12)
_NEWEST = (1, 0)  # the newest release that torc-watch was tested with
_VERSION = re.compile(r"v?(?P<major>[0-9]{1,6})\.(?P<minor>[0-9]{1,6})", re.ASCII)


class ApiVersion(Enum):
    V0_12 = "0.12"
    V1_0 = "1.0"


def detect_api_version(version_answer: Any) -> tuple[ApiVersion, str]:
    """The API version and the version text from the decoded answer to ``GET /version``.

    Raises RequestRejected for a server older than 0.12, ServerFault without a version.
    """
    match version_answer:
        case str(text):
            api_version = ApiVersion.V0_12
        case {"version": str(text)}:
            api_version = ApiVersion.V1_0
        case _:
            text = ""
            api_version = ApiVersion.V1_0
    release = _release(text)
    if release < _OLDEST:
        raise RequestRejected(
            f"The server runs Torc {_format(release)}, which is too old: {_format(_OLDEST)} or "
            "newer is needed."
        )
    return api_version, text


def version_warning(version: str) -> str | None:
    """The warning about a server that is newer than the tested versions; else None."""
    release = _release(version)
    if release <= _NEWEST:
        return None
    return (
        f"The server runs Torc {_format(release)}; {_format(_NEWEST)} is the newest that "
        "torc-watch was tested with. Jobs with an unknown status count as unfinished."
    )


def is_tested_version(version: str) -> bool:
    """Whether it is one of the releases that torc-watch was tested with."""
    return _release(version) in (_OLDEST, _NEWEST)


def _format(release: tuple[int, int]) -> str:
    return ".".join(map(str, release))


def _release(version: str) -> tuple[int, int]:
    found = _VERSION.match(version)
    if found is None:
        raise ServerFault(
            "The server does not report a Torc version. Check that the URL is that of a Torc "
            "server."
        )
    return int(found["major"]), int(found["minor"])
