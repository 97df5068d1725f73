"""The daemon's socket on its own login node: faster than the spool and status.json.

A client sends one line and receives lines of JSON: for ``poke`` one line when the commands in the
spool are applied, for ``trouble`` one line with the reason why the daemon cannot go on (empty if it
can), for ``follow`` all workflows first and then each workflow as it changes (null for a removed
one). Only the user has access: the folder is private, and the server checks the user of
each connection.
"""

import json
import os
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import anyio
from anyio import to_thread
from anyio.abc import SocketAttribute, SocketListener, SocketStream, TaskGroup

from torc_watch.core.errors import InvalidInput
from torc_watch.core.workflow_key import WorkflowKey
from torc_watch.daemon.status_board import StatusBoard
from torc_watch.ipc.socket_paths import is_ours

_MAX_PATH = 107  # bytes: the kernel's limit for a socket's address
_MAX_REQUEST = 4096  # bytes
_REQUEST_TIMEOUT = 5.0  # seconds for a client to send its request
_MAX_CLIENTS = 32  # served at once; each is an open file, and further ones wait
_ACCEPT_DELAY = 1.0  # seconds after a failed accept
_CHECK_INTERVAL = 30.0  # seconds between checks whether the socket still has its name


class ControlServer:
    """``poke`` returns when the commands in the spool are applied; ``trouble`` as the request."""

    def __init__(
        self,
        board: StatusBoard,
        poke: Callable[[], Awaitable[None]],
        trouble: Callable[[], str] = str,
    ) -> None:
        self._board = board
        self._poke = poke
        self._trouble = trouble

    async def serve(self, path: Path) -> None:
        """Listens until canceled, or until the socket lost its name, as where /tmp is cleaned up.

        Raises OSError and InvalidInput when it cannot listen.
        """
        await to_thread.run_sync(_prepare_folder, path)
        # Bound under another name and renamed: a killed daemon may have left its socket here.
        draft = anyio.Path(path).with_suffix(f".{os.getpid()}")
        async with await anyio.create_unix_listener(draft, mode=0o600) as listener:
            ours = await draft.stat()
            await draft.rename(path)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._accept, listener, tasks)
                while await _is_at(anyio.Path(path), ours):  # noqa: ASYNC110 - there is no event
                    await anyio.sleep(_CHECK_INTERVAL)
                tasks.cancel_scope.cancel()

    async def _accept(self, listener: SocketListener, tasks: TaskGroup) -> None:
        clients = anyio.Semaphore(_MAX_CLIENTS)

        async def serve_client(stream: SocketStream) -> None:
            try:
                await self._serve_client(stream)
            finally:
                clients.release()

        while True:
            await clients.acquire()
            try:
                tasks.start_soon(serve_client, await listener.accept())
            except anyio.BrokenResourceError:  # this process has no more file descriptors
                clients.release()
                await anyio.sleep(_ACCEPT_DELAY)

    async def _serve_client(self, stream: SocketStream) -> None:
        # A client may leave in the middle of an answer, and a request that fails must not stop the
        # daemon: the client falls back to the spool and status.json.
        with suppress(Exception):
            async with stream:
                if not is_ours(stream.extra(SocketAttribute.raw_socket)):  # noqa: S610 - no SQL
                    return
                with anyio.fail_after(_REQUEST_TIMEOUT):
                    request = await stream.receive(_MAX_REQUEST)
                await self._respond(request.strip(), stream)

    async def _respond(self, request: bytes, stream: SocketStream) -> None:
        match request:
            case b"poke":
                await self._poke()
                await stream.send(b"{}\n")
            case b"trouble":
                await stream.send(json.dumps({"trouble": self._trouble()}).encode() + b"\n")
            case b"follow":
                async for lines in self._changes():
                    await stream.send(lines)

    async def _changes(self) -> AsyncIterator[bytes]:
        changed = {view.key: None for view in self._board.views}
        has_changed = anyio.Event()

        def on_change(key: WorkflowKey, _: bool) -> None:
            changed[key] = None
            has_changed.set()

        unsubscribe = self._board.subscribe(on_change)
        try:
            while True:
                keys = list(changed)
                changed.clear()
                yield b"".join(self._line(key) for key in keys)
                await has_changed.wait()
                has_changed = anyio.Event()
        finally:
            unsubscribe()

    def _line(self, key: WorkflowKey) -> bytes:
        view = self._board.view(key)
        change = {**key._asdict(), "view": view and asdict(view)}
        return json.dumps(change).encode() + b"\n"


def _prepare_folder(path: Path) -> None:
    """Every user can create folders in /tmp: refuses one that is not private."""
    if len(os.fsencode(path)) + len(".1234567") > _MAX_PATH:
        raise InvalidInput(f"The path {path} is too long for a socket.")
    path.parent.mkdir(mode=0o700, exist_ok=True)
    status = path.parent.lstat()
    is_own_folder = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
    if not is_own_folder or status.st_mode & 0o077:
        raise InvalidInput(
            f"{path.parent} is not a private folder of yours: delete it, or set XDG_RUNTIME_DIR."
        )
    for draft in path.parent.glob(f"{path.stem}.[0-9]*"):  # of killed daemons
        draft.unlink(missing_ok=True)


async def _is_at(path: anyio.Path, ours: os.stat_result) -> bool:
    try:
        return os.path.samestat(await path.lstat(), ours)
    except OSError:
        return False
