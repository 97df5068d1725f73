"""A program that sends one message, and what its end says of that."""

import os
from collections.abc import Sequence

from torc_watch.core.news import SendResult
from torc_watch.core.os_errors import describe_os_error
from torc_watch.host.bounded_command import run_bounded

LIMIT = 60.0  # seconds for one message
_MAX_WORDS = 300  # characters of what a program says


async def run_program(command: Sequence[str], text: bytes, *, says_why: bool = False) -> SendResult:
    """It has sent the message if it ends with 0 in time.

    One that ``says_why`` prints a sentence for the user where it has not.
    """
    name = os.path.basename(command[0])  # noqa: PTH119 - a word, no path of ours
    try:
        end = await run_bounded(command, text, limit=LIMIT, environment=os.environ)
    except OSError as error:
        return SendResult(f"{command[0]} cannot be run: {describe_os_error(error)}")
    if end.status is None:
        return SendResult(f"{name} did not end within {LIMIT:.0f} s and was stopped.", True)
    words = " ".join(end.output.split())[:_MAX_WORDS]
    if end.status == 1 and says_why and words:
        return SendResult(words)
    if end.status != 0:
        return SendResult(f"{name} ended with status {end.status}{f': {words}' if words else '.'}")
    return SendResult()
