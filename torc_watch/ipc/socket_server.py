"""The daemon's socket on its own login node: a faster way to what the spool and status.json offer.

A client sends one line, and gets lines of JSON back: to ``poke`` one when the spool has been taken
in, to ``follow`` the whole board first and then each workflow as it changes (null for one that was
removed). It is for the user alone: the folder is closed to others, and so is each connection.
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
from torc_watch.ipc.socket_client import is_ours

_LONGEST_PATH = 107  # bytes, with which a socket's address may be written
_LONGEST_WISH = 4096
_PATIENCE = 5.0  # seconds for a client to say what it wants
_CLIENTS = 32  # served at once; each is an open file, and further ones wait for their turn
_PAUSE = 1.0  # seconds, when a client cannot be taken
_LOOK = 30.0  # seconds between looks whether the socket still has its name


class ControlServer:
    """``poke`` returns when the spool has been taken in."""

    def __init__(self, board: StatusBoard, poke: Callable[[], Awaitable[None]]) -> None:
        self._board = board
        self._poke = poke

    async def serve(self, path: Path) -> None:
        """Listens until cancelled, or until the socket has lost its name, as where /tmp is swept.

        Raises OSError and InvalidInput when it cannot.
        """
        await to_thread.run_sync(_prepare_folder, path)
        # Bound beside it and renamed: whoever was killed here left the old one behind.
        draft = anyio.Path(path).with_suffix(f".{os.getpid()}")
        async with await anyio.create_unix_listener(draft, mode=0o600) as listener:
            ours = await draft.stat()
            await draft.rename(path)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._accept, listener, tasks)
                while await _is_at(anyio.Path(path), ours):  # noqa: ASYNC110 - told by nobody
                    await anyio.sleep(_LOOK)
                tasks.cancel_scope.cancel()

    async def _accept(self, listener: SocketListener, tasks: TaskGroup) -> None:
        clients = anyio.Semaphore(_CLIENTS)

        async def answer(stream: SocketStream) -> None:
            try:
                await self._answer(stream)
            finally:
                clients.release()

        while True:
            await clients.acquire()
            try:
                tasks.start_soon(answer, await listener.accept())
            except anyio.BrokenResourceError:  # this process may open no more files
                clients.release()
                await anyio.sleep(_PAUSE)

    async def _answer(self, stream: SocketStream) -> None:
        # A client may leave in the middle of an answer, and a request that fails must not stop the
        # daemon: the client falls back to the spool and status.json.
        with suppress(Exception):
            async with stream:
                if not is_ours(stream.extra(SocketAttribute.raw_socket)):  # noqa: S610 - no SQL
                    return
                with anyio.fail_after(_PATIENCE):
                    wish = await stream.receive(_LONGEST_WISH)
                await self._follow(wish.decode().split(), stream)

    async def _follow(self, wish: list[str], stream: SocketStream) -> None:
        match wish:
            case ["poke"]:
                await self._poke()
                await stream.send(b"{}\n")
            case ["follow"]:
                async for lines in self._changes():
                    await stream.send(lines)

    async def _changes(self) -> AsyncIterator[bytes]:
        changed = {view.key: None for view in self._board.views}
        woken = anyio.Event()

        def note(key: WorkflowKey, _: bool) -> None:
            changed[key] = None
            woken.set()

        end = self._board.subscribe(note)
        try:
            while True:
                keys = list(changed)
                changed.clear()
                yield b"".join(self._line(key) for key in keys)
                await woken.wait()
                woken = anyio.Event()
        finally:
            end()

    def _line(self, key: WorkflowKey) -> bytes:
        view = self._board.view(key)
        server, workflow_id = key
        shown = {"server": server, "workflow_id": workflow_id, "view": view and asdict(view)}
        return json.dumps(shown).encode() + b"\n"


def _prepare_folder(path: Path) -> None:
    """Anybody may make folders in /tmp: one that is not ours alone is refused."""
    if len(os.fsencode(path)) + len(".1234567") > _LONGEST_PATH:
        raise InvalidInput(f"The path {path} is too long for a socket.")
    path.parent.mkdir(mode=0o700, exist_ok=True)
    status = path.parent.lstat()
    is_plain = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
    if not is_plain or status.st_mode & 0o077:
        raise InvalidInput(
            f"{path.parent} is no folder of yours alone: remove it, or set XDG_RUNTIME_DIR."
        )
    for draft in path.parent.glob(f"{path.stem}.[0-9]*"):  # of daemons that were killed here
        draft.unlink(missing_ok=True)


async def _is_at(path: anyio.Path, ours: os.stat_result) -> bool:
    try:
        return os.path.samestat(await path.lstat(), ours)
    except OSError:
        return False
