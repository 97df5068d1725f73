"""The ASGI application: requests to calls, answers to responses, and the work beside them."""

import asyncio
import json
import logging
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress

import anyio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from torc_watch.sandbox.server.broadcast import Broadcaster, level_of
from torc_watch.sandbox.server.calls import (
    INTERNAL_ERROR,
    Answer,
    Call,
    Failure,
    Severity,
    internal_answer,
)
from torc_watch.sandbox.server.edge import Edge
from torc_watch.sandbox.server.routes import Handler, routes
from torc_watch.sandbox.server.settings import ApiVersionName, ServerSettings
from torc_watch.sandbox.server.store import Store, open_store
from torc_watch.sandbox.server.tasks import run_task
from torc_watch.sandbox.server.unblocking import unblock
from torc_watch.sandbox.server.workflows import show_workflow

PREFIX = "/torc-service/v1"
_METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS")
_log = logging.getLogger(__name__)


class TorcServer:
    """An open database, those who listen to it, and what it does without being asked."""

    def __init__(self, settings: ServerSettings, store: Store) -> None:
        self._settings = settings
        self._store = store
        self._task_queued = asyncio.Event()
        self._broadcaster = Broadcaster()

    def application(self) -> Starlette:
        stream = Route(PREFIX + "/workflows/{id}/events/stream", self._stream, methods=["GET"])
        served = [
            Route(PREFIX + path, self._endpoint(methods), methods=_METHODS)
            for path, methods in routes(self._settings.api_version).items()
        ]
        app = Starlette(
            routes=[stream, *served],
            middleware=[Middleware(Edge, accounts=self._settings.accounts)],
            exception_handlers={HTTPException: _empty, ClientDisconnect: _gone},
        )
        app.router.redirect_slashes = False
        app.state.close_streams = self._broadcaster.close
        return app

    def unblock(self) -> None:
        with _tried_again_later("unblocking jobs"):
            unblock(self._store, self._settings.api_version)

    async def unblock_regularly(self) -> None:
        while True:
            await anyio.sleep(self._settings.unblock_interval)
            self.unblock()

    async def run_tasks(self) -> None:
        while True:
            with _tried_again_later("a task"):
                while done := run_task(self._store):
                    for announcement in done:
                        self._broadcaster.send(announcement)
            with anyio.move_on_after(self._settings.unblock_interval):
                await self._task_queued.wait()
            self._task_queued.clear()

    def _endpoint(self, methods: Mapping[str, Handler]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            handler = methods.get(request.method)
            if handler is None:
                return Response(status_code=405)
            answer = self._answer(handler, await self._call(request))
            return _response(answer, self._settings.api_version)

        return endpoint

    async def _call(self, request: Request) -> Call:
        return Call(
            store=self._store,
            api_version=self._settings.api_version,
            user=request.state.user,
            path=request.path_params,
            query=request.query_params.multi_items(),
            content=await request.body(),
            changes=request.method != "GET",
        )

    def _answer(self, handler: Handler, call: Call) -> Answer:
        """Run a handler in a transaction of its own; tell the listeners when it is committed."""
        try:
            with self._store.transaction() if call.changes else nullcontext():
                answer = handler(call)
        except Failure as failure:
            if failure.body == INTERNAL_ERROR:
                return internal_answer(call.api_version)
            return _refusal(call.api_version, failure)
        except (sqlite3.IntegrityError, OverflowError):  # an id of no row, a number beyond 64 bits
            return internal_answer(call.api_version)
        except sqlite3.Error as error:
            _log.error("The server failed at a request: %s", error)
            return internal_answer(call.api_version)
        for announcement in call.announcements:
            self._broadcaster.send(announcement)
        if answer.status == 202:
            self._task_queued.set()
        return answer

    async def _stream(self, request: Request) -> Response:
        call = await self._call(request)
        answer = self._answer(show_workflow, call)
        if answer.status != 200:
            return _response(answer, self._settings.api_version)
        frames = self._frames(call.number(), level_of(call.asked("level", str)))
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        return StreamingResponse(frames, headers=headers, media_type="text/event-stream")

    async def _frames(self, workflow_id: int, level: Severity) -> AsyncIterator[str]:
        listener = self._broadcaster.listen()
        try:
            async for frame in listener.frames(workflow_id, level):
                yield frame
        finally:
            self._broadcaster.forget(listener)


@asynccontextmanager
async def open_server(settings: ServerSettings) -> AsyncIterator[Starlette]:
    """The application on an open database, with the work beside the requests going on.

    Raises SandboxError when the directory cannot be used, or another server uses it.
    """
    with open_store(settings.directory) as store:
        service = TorcServer(settings, store)
        service.unblock()  # what finished when a server was last here
        # Plain tasks, not a task group: a test fixture enters and leaves this in different tasks.
        work = [
            asyncio.create_task(service.unblock_regularly()),
            asyncio.create_task(service.run_tasks()),
        ]
        try:
            yield service.application()
        finally:
            for task in work:
                task.cancel()
            for task in work:
                with suppress(asyncio.CancelledError):
                    await task


@contextmanager
def _tried_again_later(what: str) -> Iterator[None]:
    """Outlive a database that fails for the moment, such as one on a full disk."""
    try:
        yield
    except sqlite3.Error as error:
        _log.error("The server failed at %s and will try again: %s", what, error)


def _refusal(api_version: ApiVersionName, failure: Failure) -> Answer:
    """What one who is refused reads; the newer API version says of what is absent that it is."""
    if isinstance(failure.body, str):
        return Answer(failure.body, failure.status, plain=True)
    if failure.status == 404 and api_version == "1.0":
        return Answer({"error": {"error": "NotFound", **failure.body["error"]}}, failure.status)
    return Answer(failure.body, failure.status)


def _response(answer: Answer, api_version: ApiVersionName) -> Response:
    if answer.plain and api_version == "0.12":  # a text of which it does not say that it is one
        return Response(answer.body, answer.status)
    if answer.plain:
        return PlainTextResponse(answer.body, answer.status)
    content = json.dumps(answer.body, separators=(",", ":"))
    return Response(content, answer.status, media_type="application/json")


def _empty(_request: Request, error: Exception) -> Response:
    """Torc says nothing about a path that it does not know."""
    return Response(status_code=error.status_code if isinstance(error, HTTPException) else 500)


def _gone(_request: Request, _error: Exception) -> Response:
    """The client left in the middle of its request: nobody reads this."""
    return Response(status_code=400)
