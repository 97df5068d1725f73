"""Error texts with advice."""

import errno
import os

import pytest

from torc_watch.core.os_errors import describe_os_error


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "No space left on device. Free some space there."),
        (errno.EDQUOT, "Free some space there."),
        (errno.EROFS, "Read-only file system. It is read-only here"),
        (errno.EACCES, "Permission denied. Check that you own it and"),
        (errno.ESTALE, "Its file system does not respond"),
        (errno.EEXIST, "File exists."),
    ],
)
def test_error_text_has_description_and_advice(number: int, words: str) -> None:
    assert words in describe_os_error(OSError(number, os.strerror(number)))


def test_error_without_errno_has_its_own_text() -> None:
    assert describe_os_error(OSError("no lease")) == "no lease."
