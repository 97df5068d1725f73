"""Concurrent requests: sequence of the results, limit, and one error instead of a group."""

from functools import partial

import anyio
import pytest

from torc_watch.core.errors import NotFound, ServerUnreachable
from torc_watch.torc.concurrency import gather

pytestmark = pytest.mark.looptime


class Requests:
    def __init__(self) -> None:
        self.under_way = 0
        self.most_under_way = 0
        self.ended = 0

    async def take(self, seconds: float) -> float:
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await anyio.sleep(seconds)
        self.under_way -= 1
        self.ended += 1
        return seconds


async def test_results_are_in_the_sequence_of_the_calls() -> None:
    requests = Requests()
    assert await gather([partial(requests.take, seconds) for seconds in (3, 1, 2)]) == [3, 1, 2]


async def test_at_most_eight_requests_run_at_a_time() -> None:
    requests = Requests()
    await gather([partial(requests.take, 1.0)] * 20)
    assert requests.most_under_way == 8


async def test_first_error_cancels_the_others_and_is_raised_directly() -> None:
    requests = Requests()

    async def fail(seconds: float, error: Exception) -> float:
        await anyio.sleep(seconds)
        raise error

    with pytest.raises(NotFound):
        await gather(
            [
                partial(requests.take, 9.0),
                partial(fail, 1.0, NotFound("gone")),
                partial(fail, 2.0, ServerUnreachable("later")),
            ]
        )
    assert requests.ended == 0


async def test_no_calls_give_no_results() -> None:
    assert await gather([]) == []
