"""What is said of a folder that cannot be used."""

import errno
import os

import pytest

from torc_watch.core.os_errors import describe_os_error


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "No space left on device. Make room there."),
        (errno.EDQUOT, "Make room there."),
        (errno.EROFS, "Read-only file system. It is read-only here"),
        (errno.EACCES, "Permission denied. Look whether it is yours and"),
        (errno.ESTALE, "Its file system does not answer"),
        (errno.EEXIST, "File exists."),
    ],
)
def test_what_is_wrong(number: int, words: str) -> None:
    assert words in describe_os_error(OSError(number, os.strerror(number)))


def test_an_error_without_a_number() -> None:
    assert describe_os_error(OSError("no lease")) == "no lease."
