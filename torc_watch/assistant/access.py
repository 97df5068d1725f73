"""What the tools work with: the configuration, and the one server that they talk to."""

from dataclasses import dataclass
from pathlib import Path

from anyio import to_thread

from torc_watch.app.composition import open_client, unknown_id_refused
from torc_watch.app.foreground_watch import settings_of_watch
from torc_watch.app.inspection import StoredWatch, find_workflow, read_stored_watch
from torc_watch.config.settings import Settings
from torc_watch.core.workflow_key import WorkflowKey
from torc_watch.daemon.commands import WatchOptions, WatchState
from torc_watch.daemon.status_file import read_status
from torc_watch.daemon.watch_history import known_workflows
from torc_watch.torc.transport import Connection


@dataclass(frozen=True, slots=True)
class ServerAccess:
    """``url`` is that of the server's API; the daemon may watch workflows of other servers, too.

    ``settings`` have an absolute output folder, ``configured_output`` is as the user wrote it.
    """

    settings: Settings
    url: str
    configured_output: Path

    @property
    def connection(self) -> Connection:
        """Raises InvalidInput for a password file that cannot be read."""
        return self.settings.connection(self.url)

    @property
    def home(self) -> Path:
        return self.settings.home

    def key(self, workflow_id: int) -> WorkflowKey:
        return WorkflowKey(self.url, workflow_id)

    def stored_watch(self, workflow_id: int) -> StoredWatch:
        """What the journal knows. Raises JournalError, RecordUnreadable."""
        return read_stored_watch(self.home, self.key(workflow_id))

    async def settings_of_round(self, workflow_id: int) -> Settings:
        """With the output folder that the workflow's watch has.

        Without a watch a relative one is in the folder in which the workflow was created, where
        that is on this machine: there commands look for it, too. Raises JournalError, ServerError,
        and InvalidInput for a workflow that the server does not have.
        """
        stored = self.stored_watch(workflow_id)
        folder = settings_of_watch(stored.options, self.settings).output_dir
        if not stored.is_watched and not self.configured_output.is_absolute():
            created_in = await self._submission_folder(workflow_id)
            if created_in is not None:
                folder = created_in / self.configured_output
        return self.settings.model_copy(update={"output_dir": folder})

    async def _submission_folder(self, workflow_id: int) -> Path | None:
        """None where the server knows none, and where it is not on this machine."""
        connection = self.connection
        with unknown_id_refused(workflow_id, connection):
            async with open_client(connection) as client:
                workflow = await client.get_workflow(workflow_id)
        folder = Path(workflow.submission_directory or "")
        if not folder.is_absolute() or "\0" in str(folder):
            return None
        return folder if await to_thread.run_sync(folder.is_dir) else None

    def watch_state(self, workflow_id: int) -> WatchState | None:
        """That of the daemon's watch, None without one. Raises JournalError."""
        known = known_workflows(self.home).get(self.key(workflow_id))
        return known.state if known else None

    def is_watched(self, workflow_id: int) -> bool:
        """By the daemon. Raises JournalError."""
        daemon = read_status(self.home)
        return find_workflow(self.home, daemon, workflow_id, self.url) is not None


def open_access(settings: Settings, url: str | None) -> ServerAccess:
    """A relative output folder is taken from the state folder, as by the daemon.

    In which folder an assistant starts us means nothing. Raises InvalidInput for a URL that is
    none, and for an unusable password file.
    """
    server = settings.connection(url).url
    absolute = settings_of_watch(WatchOptions(), settings)
    return ServerAccess(absolute, server, configured_output=settings.output_dir)
