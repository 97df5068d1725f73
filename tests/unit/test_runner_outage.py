"""How long a worker waits for a server, in virtual time."""

from collections.abc import Callable

import anyio
import pytest
import structlog

from torc_watch.core.errors import Conflict, ServerError, ServerFault, ServerUnreachable
from torc_watch.sandbox.runner.outage import FAREWELL, FAULTS, OUTAGE, OutagePatience

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
async def test_an_outage_is_outlasted_without_hammering(away: float) -> None:
    server = Server(ServerUnreachable("gone"), back=away)
    began = anyio.current_time()
    assert await a_patience(anyio.Event()).outlast(server) == "an answer"
    assert away <= anyio.current_time() - began <= away + 31
    assert server.calls < 10 + away / 30


async def test_an_outage_without_end_is_given_up() -> None:
    began = anyio.current_time()
    with pytest.raises(ServerUnreachable):
        await a_patience(anyio.Event()).outlast(Server(ServerUnreachable("gone")))
    assert OUTAGE <= anyio.current_time() - began <= OUTAGE + 31


async def test_a_server_that_answers_with_errors_is_not_asked_for_ever() -> None:
    server = Server(ServerFault("500"))
    with pytest.raises(ServerFault):
        await a_patience(anyio.Event()).outlast(server)
    assert server.calls == FAULTS


async def test_a_refusal_is_final() -> None:
    server = Server(Conflict("422"))
    with pytest.raises(Conflict):
        await a_patience(anyio.Event()).outlast(server)
    assert server.calls == 1


def _stop(stop: anyio.Event, _patience: OutagePatience) -> None:
    stop.set()


def _hurry(_stop: anyio.Event, patience: OutagePatience) -> None:
    patience.hurry()


@pytest.mark.parametrize("order", [_stop, _hurry])
@pytest.mark.parametrize("farewell", [0.0, FAREWELL])
async def test_told_to_leave_it_stays_for_the_farewell_only(
    order: Callable[[anyio.Event, OutagePatience], None], farewell: float
) -> None:
    stop = anyio.Event()
    patience = a_patience(stop, farewell)
    began = anyio.current_time()

    async def order_after_a_minute() -> None:
        await anyio.sleep(60)
        order(stop, patience)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(order_after_a_minute)
        with pytest.raises(ServerUnreachable):
            await patience.outlast(Server(ServerUnreachable("gone")))
    assert 60 + farewell <= anyio.current_time() - began <= 60 + farewell + 31


async def test_a_server_that_comes_back_in_the_farewell_still_hears_it() -> None:
    stop = anyio.Event()
    stop.set()
    server = Server(ServerUnreachable("gone"), back=FAREWELL / 2)
    assert await a_patience(stop).outlast(server) == "an answer"
