"""The ASGI application: passes requests to handlers, and runs the background tasks."""

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

from torc_watch.sandbox.server.api_request import (
    INTERNAL_ERROR,
    ApiError,
    ApiRequest,
    ApiResponse,
    Severity,
    internal_error_response,
)
from torc_watch.sandbox.server.dependency_release import unblock_jobs
from torc_watch.sandbox.server.event_broadcaster import EventBroadcaster, parse_level
from torc_watch.sandbox.server.middleware import BasicAuth
from torc_watch.sandbox.server.routes import Handler, routes
from torc_watch.sandbox.server.server_settings import ServerSettings, TorcApi
from torc_watch.sandbox.server.store import Store, open_store
from torc_watch.sandbox.server.tasks import fail_unfinished, run_task
from torc_watch.sandbox.server.workflow_handlers import show_workflow

PREFIX = "/torc-service/v1"
_METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS")
_log = logging.getLogger(__name__)


class TorcServer:
    """An open database, the subscribers to its events, and the background tasks."""

    def __init__(self, settings: ServerSettings, store: Store) -> None:
        self._settings = settings
        self._store = store
        self._task_queued = asyncio.Event()
        self._broadcaster = EventBroadcaster()

    def application(self) -> Starlette:
        stream = Route(PREFIX + "/workflows/{id}/events/stream", self._stream, methods=["GET"])
        served = [
            Route(PREFIX + path, self._endpoint(methods), methods=_METHODS)
            for path, methods in routes(self._settings.api_version).items()
        ]
        app = Starlette(
            routes=[stream, *served],
            middleware=[Middleware(BasicAuth, accounts=self._settings.accounts)],
            exception_handlers={
                HTTPException: _empty_response,
                ClientDisconnect: _client_disconnected,
            },
        )
        app.router.redirect_slashes = False
        app.state.close_streams = self._broadcaster.close
        return app

    def unblock_jobs(self) -> None:
        with _log_and_retry_later("unblocking jobs"):
            unblock_jobs(self._store, self._settings.api_version)

    async def unblock_regularly(self) -> None:
        while True:
            await anyio.sleep(self._settings.unblock_interval)
            self.unblock_jobs()

    async def run_tasks(self) -> None:
        while True:
            with _log_and_retry_later("a background task"):
                while done := run_task(self._store):
                    for event in done:
                        self._broadcaster.publish(event)
            with anyio.move_on_after(self._settings.unblock_interval):
                await self._task_queued.wait()
            self._task_queued.clear()

    def _endpoint(self, methods: Mapping[str, Handler]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            handler = methods.get(request.method)
            if handler is None:
                return Response(status_code=405)
            response = self._handle(handler, await self._parse(request))
            return _render(response, self._settings.api_version)

        return endpoint

    async def _parse(self, request: Request) -> ApiRequest:
        return ApiRequest(
            store=self._store,
            api_version=self._settings.api_version,
            user=request.state.user,
            path=request.path_params,
            query=request.query_params.multi_items(),
            content=await request.body(),
            is_write=request.method != "GET",
        )

    def _handle(self, handler: Handler, request: ApiRequest) -> ApiResponse:
        """Run a handler in its own transaction; publish its events after the commit."""
        try:
            with self._store.transaction() if request.is_write else nullcontext():
                response = handler(request)
        except ApiError as error:
            if error.body == INTERNAL_ERROR:
                return internal_error_response(request.api_version)
            return _error_response(request.api_version, error)
        except (sqlite3.IntegrityError, OverflowError):  # an unknown id, or more than 64 bits
            return internal_error_response(request.api_version)
        except sqlite3.Error as error:
            _log.error("A request failed because of the database: %s", error)
            return internal_error_response(request.api_version)
        for event in request.events:
            self._broadcaster.publish(event)
        if response.status == 202:
            self._task_queued.set()
        return response

    async def _stream(self, request: Request) -> Response:
        api_request = await self._parse(request)
        response = self._handle(show_workflow, api_request)
        if response.status != 200:
            return _render(response, self._settings.api_version)
        level = parse_level(api_request.parameter("level", str))
        frames = self._frames(api_request.path_integer(), level)
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        return StreamingResponse(frames, headers=headers, media_type="text/event-stream")

    async def _frames(self, workflow_id: int, level: Severity) -> AsyncIterator[str]:
        subscriber = self._broadcaster.subscribe()
        try:
            async for frame in subscriber.frames(workflow_id, level):
                yield frame
        finally:
            self._broadcaster.unsubscribe(subscriber)


@asynccontextmanager
async def open_server(settings: ServerSettings) -> AsyncIterator[Starlette]:
    """The application on an open database, with its background tasks running.

    Raises SandboxError if the directory cannot be used, or another server uses it.
    """
    with open_store(settings.directory) as store:
        service = TorcServer(settings, store)
        with _log_and_retry_later("the tasks of the last server"):
            fail_unfinished(store)
        service.unblock_jobs()  # for jobs that finished before the last server stopped
        # Plain tasks, not a task group: test fixtures enter and exit this in different tasks.
        background = [
            asyncio.create_task(service.unblock_regularly()),
            asyncio.create_task(service.run_tasks()),
        ]
        try:
            yield service.application()
        finally:
            for task in background:
                task.cancel()
            for task in background:
                with suppress(asyncio.CancelledError):
                    await task


@contextmanager
def _log_and_retry_later(work: str) -> Iterator[None]:
    """Survive a temporary failure of the database, such as a full disk."""
    try:
        yield
    except sqlite3.Error as error:
        _log.error("The database failed during %s, which the server will retry: %s", work, error)


def _error_response(api_version: TorcApi, error: ApiError) -> ApiResponse:
    """The response to a refused request; API 1.0 adds an error name to each 404."""
    if isinstance(error.body, str):
        return ApiResponse(error.body, error.status, plain=True)
    if error.status == 404 and api_version == "1.0":
        return ApiResponse({"error": {"error": "NotFound", **error.body["error"]}}, error.status)
    return ApiResponse(error.body, error.status)


def _render(response: ApiResponse, api_version: TorcApi) -> Response:
    if response.plain and api_version == "0.12":  # without a content type
        return Response(response.body, response.status)
    if response.plain:
        return PlainTextResponse(response.body, response.status)
    content = json.dumps(response.body, separators=(",", ":"))
    return Response(content, response.status, media_type="application/json")


def _empty_response(_request: Request, error: Exception) -> Response:
    """Torc answers an unknown path with an empty body."""
    return Response(status_code=error.status_code if isinstance(error, HTTPException) else 500)


def _client_disconnected(_request: Request, _error: Exception) -> Response:
    """The client disconnected during its request, so no client reads this response."""
    return Response(status_code=400)
