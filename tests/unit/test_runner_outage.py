"""How long a worker waits for a server that is away, in virtual time."""

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
    """Raises ``error`` until ``back``; ``calls`` counts."""

    def __init__(self, error: ServerError, back: float = float("inf")) -> None:
        self.calls = 0
        self._error = error
        self._back = anyio.current_time() + back

    async def __call__(self) -> str:
        self.calls += 1
        if anyio.current_time() < self._back:
            raise self._error
        return "an answer"


def a_patience(stop: anyio.Event, farewell: float = FAREWELL) -> OutagePatience:
    return OutagePatience(stop, LOG, farewell=farewell)


@pytest.mark.parametrize("away", [0.5, 60, OUTAGE - 60])
async def test_outage_is_outlasted_with_growing_pauses(away: float) -> None:
    server = Server(ServerUnreachable("gone"), back=away)
    began = anyio.current_time()
    assert await a_patience(anyio.Event()).outlast(server) == "an answer"
    assert away <= anyio.current_time() - began <= away + 31
    assert server.calls < 10 + away / 30


async def test_endless_outage_is_given_up() -> None:
    began = anyio.current_time()
    with pytest.raises(ServerUnreachable):
        await a_patience(anyio.Event()).outlast(Server(ServerUnreachable("gone")))
    assert OUTAGE <= anyio.current_time() - began <= OUTAGE + 31


async def test_server_that_keeps_failing_is_given_up() -> None:
    server = Server(ServerFault("500"))
    with pytest.raises(ServerFault):
        await a_patience(anyio.Event()).outlast(server)
    assert server.calls == FAULTS


async def test_refusal_is_final() -> None:
    server = Server(Conflict("422"))
    with pytest.raises(Conflict):
        await a_patience(anyio.Event()).outlast(server)
    assert server.calls == 1


def _stop(stop: anyio.Event, _patience: OutagePatience) -> None:
    stop.set()


def _hurry(_stop: anyio.Event, patience: OutagePatience) -> None:
    patience.hurry()


@pytest.mark.parametrize("tell", [_stop, _hurry])
@pytest.mark.parametrize("farewell", [0.0, FAREWELL])
async def test_stopped_worker_retries_for_the_farewell_only(
    tell: Callable[[anyio.Event, OutagePatience], None], farewell: float
) -> None:
    stop = anyio.Event()
    patience = a_patience(stop, farewell)
    began = anyio.current_time()

    async def tell_after_a_minute() -> None:
        await anyio.sleep(60)
        tell(stop, patience)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tell_after_a_minute)
        with pytest.raises(ServerUnreachable):
            await patience.outlast(Server(ServerUnreachable("gone")))
    assert 60 + farewell <= anyio.current_time() - began <= 60 + farewell + 31


async def test_server_that_is_back_within_the_farewell_is_reached() -> None:
    stop = anyio.Event()
    stop.set()
    server = Server(ServerUnreachable("gone"), back=FAREWELL / 2)
    assert await a_patience(stop).outlast(server) == "an answer"


async def test_worker_stopped_in_a_pause_without_a_farewell_calls_no_more() -> None:
    stop = anyio.Event()
    server = Server(ServerUnreachable("gone"))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_raises_unreachable, a_patience(stop, farewell=0), server)
        await anyio.sleep(60)
        calls = server.calls
        stop.set()
    assert server.calls == calls > 1
    assert anyio.current_time() == 60


async def _raises_unreachable(patience: OutagePatience, server: Server) -> None:
    with pytest.raises(ServerUnreachable):
        await patience.outlast(server)
