"""Prints what a job writes until it is over."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

from torc_watch.app.job_logs import LogFile, LoggedJob, LogQuery, has_output, log_files, look_up
from torc_watch.config.settings import Settings
from torc_watch.core.errors import ServerUnreachable
from torc_watch.core.job_attempt import has_ended, is_over, why_no_output
from torc_watch.host.file_tail import read_from, read_tail
from torc_watch.torc.client import TorcClient

_READ_INTERVAL = 1.0  # seconds
_ASK_INTERVAL = 5.0

Show = Callable[[Path, bytes], None]
Notice = Callable[[str], None]


class FollowedJob:
    """``show`` gets each piece with its file, ``notice`` what else there is to say."""

    def __init__(self, query: LogQuery, lines: int, show: Show, notice: Notice) -> None:
        self._query = query
        self._lines = lines
        self._show = show
        self._notice = notice
        self._offsets: dict[Path, int] = {}
        self._said: set[str] = set()

    @property
    def has_read(self) -> bool:
        """A file at least, which may be gone by now: some are deleted on success."""
        return bool(self._offsets)

    async def follow(self, client: TorcClient, settings: Settings) -> LoggedJob:
        """To the end of the job, or of the attempt that was asked for; how that stands then.

        While the server cannot be reached, reading goes on. Raises what ``look_up`` raises before.
        """
        found = await look_up(client, self._query, settings)
        if not self._has_ended(found) and not has_output(log_files(found, self._query)):
            reason = why_no_output(found.job, found.attempt, found.config)
            self._say(f"There is no output of job {found.job.id} yet: {reason}.")
        while not self._has_ended(found):
            asking = asyncio.create_task(self._ask(client, settings, found))
            try:
                while not asking.done():
                    self._read(found)
                    await asyncio.wait([asking], timeout=_READ_INTERVAL)
            finally:
                asking.cancel()
            newer = asking.result()
            if newer.attempt != found.attempt:
                self._read(found)  # the end of what it wrote
            found = newer
        self._read(found)
        return found

    async def _ask(self, client: TorcClient, settings: Settings, found: LoggedJob) -> LoggedJob:
        await asyncio.sleep(_ASK_INTERVAL)
        try:
            return await look_up(client, self._query, settings)
        except ServerUnreachable:
            self._say("The server does not answer; what the job writes is shown all the same.")
            return found

    def _has_ended(self, found: LoggedJob) -> bool:
        if self._query.run_id is None and self._query.attempt is None:
            return is_over(found.job)
        return has_ended(found.workflow, found.job, found.attempt)

    def _read(self, found: LoggedJob) -> None:
        for file in log_files(found, self._query):
            for piece in self._new(file):
                self._show(file.path, piece)

    def _new(self, file: LogFile) -> Iterator[bytes]:
        """What was appended since the last look; of a new file the last lines."""
        try:
            if file.trouble:
                self._say(f"{file.path} cannot be read: {file.trouble}.")
            elif file.path not in self._offsets:
                tail = read_tail(file.path, self._lines)
                self._offsets[file.path] = tail.size
                yield tail.content
            else:
                yield from self._appended(file)
        except OSError as error:
            self._say(f"{file.path} cannot be read: {error.strerror or error}.")

    def _appended(self, file: LogFile) -> Iterator[bytes]:
        if file.size < self._offsets[file.path]:
            self._notice(f"{file.path} was cut: it is shown from its beginning.")
            self._offsets[file.path] = 0
        for piece in read_from(file.path, self._offsets[file.path]):
            self._offsets[file.path] += len(piece)
            yield piece

    def _say(self, text: str) -> None:
        """Once."""
        if text not in self._said:
            self._said.add(text)
            self._notice(text)
