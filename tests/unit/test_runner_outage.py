"""How long a worker waits for an unreachable server, in virtual time."""

from collections.abc import Callable

import anyio
import pytest
import structlog

from torc_watch.core.errors import Conflict, ServerError, ServerFault, ServerUnreachable
from torc_watch.sandbox.runner.outage import FAREWELL, OUTAGE, OutagePatience
from torc_watch.torc.retry_policy import FAULTS

pytestmark = pytest.mark.looptime

LOG = structlog.wrap_logger(structlog.ReturnLogger())


class Server:
    """Raises ``error`` for ``outage`` seconds; counts its ``calls``."""

    def __init__(self, error: ServerError, outage: float = float("inf")) -> None:
        self.calls = 0
        self._error = error
        self._end = anyio.current_time() + outage

    async def __call__(self) -> str:
        self.calls += 1
        if anyio.current_time() < self._end:
            raise self._error
        return "an answer"


def outage_patience(stop: anyio.Event, farewell: float = FAREWELL) -> OutagePatience:
    return OutagePatience(stop, LOG, farewell=farewell)


@pytest.mark.parametrize("outage", [0.5, 60, OUTAGE - 60])
async def test_call_is_retried_with_growing_pauses_until_the_server_answers(outage: float) -> None:
    server = Server(ServerUnreachable("gone"), outage=outage)
    began = anyio.current_time()
    assert await outage_patience(anyio.Event()).outlast(server) == "an answer"
    assert outage <= anyio.current_time() - began <= outage + 31
    assert server.calls < 10 + outage / 30


async def test_call_fails_after_the_longest_outage() -> None:
    began = anyio.current_time()
    with pytest.raises(ServerUnreachable):
        await outage_patience(anyio.Event()).outlast(Server(ServerUnreachable("gone")))
    assert OUTAGE <= anyio.current_time() - began <= OUTAGE + 31


async def test_call_fails_after_repeated_server_errors() -> None:
    server = Server(ServerFault("500"))
    with pytest.raises(ServerFault):
        await outage_patience(anyio.Event()).outlast(server)
    assert server.calls == FAULTS


async def test_refused_call_is_not_retried() -> None:
    server = Server(Conflict("422"))
    with pytest.raises(Conflict):
        await outage_patience(anyio.Event()).outlast(server)
    assert server.calls == 1


def _stop(stop: anyio.Event, _patience: OutagePatience) -> None:
    stop.set()


def _hurry(_stop: anyio.Event, patience: OutagePatience) -> None:
    patience.hurry()


@pytest.mark.parametrize("request_stop", [_stop, _hurry])
@pytest.mark.parametrize("farewell", [0.0, FAREWELL])
async def test_stopped_worker_retries_only_for_its_last_calls(
    request_stop: Callable[[anyio.Event, OutagePatience], None], farewell: float
) -> None:
    stop = anyio.Event()
    patience = outage_patience(stop, farewell)
    began = anyio.current_time()

    async def stop_after_a_minute() -> None:
        await anyio.sleep(60)
        request_stop(stop, patience)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stop_after_a_minute)
        with pytest.raises(ServerUnreachable):
            await patience.outlast(Server(ServerUnreachable("gone")))
    assert 60 + farewell <= anyio.current_time() - began <= 60 + farewell + 31


async def test_stopped_worker_reaches_a_server_that_answers_in_time() -> None:
    stop = anyio.Event()
    stop.set()
    server = Server(ServerUnreachable("gone"), outage=FAREWELL / 2)
    assert await outage_patience(stop).outlast(server) == "an answer"


async def test_worker_stopped_in_a_pause_makes_no_more_calls_without_a_farewell_time() -> None:
    stop = anyio.Event()
    server = Server(ServerUnreachable("gone"))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_raises_unreachable, outage_patience(stop, farewell=0), server)
        await anyio.sleep(60)
        calls = server.calls
        stop.set()
    assert server.calls == calls > 1
    assert anyio.current_time() == 60


async def _raises_unreachable(patience: OutagePatience, server: Server) -> None:
    with pytest.raises(ServerUnreachable):
        await patience.outlast(server)
