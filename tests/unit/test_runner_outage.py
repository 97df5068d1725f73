"""How long a worker retries during an outage of the server, in virtual time."""

from collections.abc import Callable

import anyio
import pytest
import structlog

from torc_watch.core.errors import Conflict, ServerError, ServerFault, ServerUnreachable
from torc_watch.sandbox.runner.outage import OUTAGE, SHUTDOWN_GRACE, OutageRetry
from torc_watch.torc.retry_policy import FAULTS

pytestmark = pytest.mark.looptime

LOG = structlog.wrap_logger(structlog.ReturnLogger())


class Server:
    """Raises ``error`` until ``back``; counts its ``calls``."""

    def __init__(self, error: ServerError, back: float = float("inf")) -> None:
        self.calls = 0
        self._error = error
        self._back = anyio.current_time() + back

    async def __call__(self) -> str:
        self.calls += 1
        if anyio.current_time() < self._back:
            raise self._error
        return "an answer"


def outage_retry_for(stop: anyio.Event, shutdown_grace: float = SHUTDOWN_GRACE) -> OutageRetry:
    return OutageRetry(stop, LOG, shutdown_grace=shutdown_grace)


@pytest.mark.parametrize("duration", [0.5, 60, OUTAGE - 60])
async def test_call_is_retried_with_growing_waits_until_the_outage_ends(duration: float) -> None:
    server = Server(ServerUnreachable("gone"), back=duration)
    began = anyio.current_time()
    assert await outage_retry_for(anyio.Event()).call(server) == "an answer"
    assert duration <= anyio.current_time() - began <= duration + 31
    assert server.calls < 10 + duration / 30


async def test_retries_end_after_the_longest_outage() -> None:
    began = anyio.current_time()
    with pytest.raises(ServerUnreachable):
        await outage_retry_for(anyio.Event()).call(Server(ServerUnreachable("gone")))
    assert OUTAGE <= anyio.current_time() - began <= OUTAGE + 31


async def test_retries_end_if_the_server_keeps_failing() -> None:
    server = Server(ServerFault("500"))
    with pytest.raises(ServerFault):
        await outage_retry_for(anyio.Event()).call(server)
    assert server.calls == FAULTS


async def test_refusal_is_not_retried() -> None:
    server = Server(Conflict("422"))
    with pytest.raises(Conflict):
        await outage_retry_for(anyio.Event()).call(server)
    assert server.calls == 1


def _stop(stop: anyio.Event, _outage_retry: OutageRetry) -> None:
    stop.set()


def _start_shutdown_grace(_stop: anyio.Event, outage_retry: OutageRetry) -> None:
    outage_retry.start_shutdown_grace()


@pytest.mark.parametrize("tell", [_stop, _start_shutdown_grace])
@pytest.mark.parametrize("shutdown_grace", [0.0, SHUTDOWN_GRACE])
async def test_stopped_worker_retries_only_for_the_shutdown_grace(
    tell: Callable[[anyio.Event, OutageRetry], None], shutdown_grace: float
) -> None:
    stop = anyio.Event()
    outage_retry = outage_retry_for(stop, shutdown_grace)
    began = anyio.current_time()

    async def tell_after_a_minute() -> None:
        await anyio.sleep(60)
        tell(stop, outage_retry)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tell_after_a_minute)
        with pytest.raises(ServerUnreachable):
            await outage_retry.call(Server(ServerUnreachable("gone")))
    assert 60 + shutdown_grace <= anyio.current_time() - began <= 60 + shutdown_grace + 31


async def test_stopped_worker_reaches_a_server_that_is_back_within_the_shutdown_grace() -> None:
    stop = anyio.Event()
    stop.set()
    server = Server(ServerUnreachable("gone"), back=SHUTDOWN_GRACE / 2)
    assert await outage_retry_for(stop).call(server) == "an answer"


async def test_worker_stopped_during_a_wait_without_shutdown_grace_does_not_call_again() -> None:
    stop = anyio.Event()
    server = Server(ServerUnreachable("gone"))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_raises_unreachable, outage_retry_for(stop, shutdown_grace=0), server)
        await anyio.sleep(60)
        calls = server.calls
        stop.set()
    assert server.calls == calls > 1
    assert anyio.current_time() == 60


async def _raises_unreachable(outage_retry: OutageRetry, server: Server) -> None:
    with pytest.raises(ServerUnreachable):
        await outage_retry.call(server)
