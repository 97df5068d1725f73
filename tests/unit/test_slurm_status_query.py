"""How many commands a status query runs, and what their failures do to it."""

from collections.abc import Collection, Mapping, Sequence

import anyio
import pytest

from torc_watch.core.allocation import AllocationState, EndCause
from torc_watch.core.errors import SchedulerError, SchedulerUnreachable
from torc_watch.schedulers.slurm.job_status import DOWN_AFTER, LOST_AFTER
from torc_watch.schedulers.slurm.slurm_commands import INVALID_NUMBER, NO_ACCOUNTING
from torc_watch.schedulers.slurm.status_query import StatusQuery
from torc_watch.schedulers.slurm.step_query import query_steps

_ALIVE, _GONE, _UNKNOWN = AllocationState.ALIVE, AllocationState.GONE, AllocationState.UNKNOWN
_OWN = 2001
_NO_QUEUE = "JOBID|STATE|UID|START_TIME|END_TIME|NODELIST|NAME                |REASON\n"
_NO_LIVES = "JobIDRaw|State|ExitCode|NodeList|UID|Start|End|ElapsedRaw|JobName\n"
_ABSENT = SchedulerError(f"sacct failed with status 1: {NO_ACCOUNTING}.")
_DOWN = SchedulerUnreachable("slurmdbd is down")

Answer = str | SchedulerError


class _Slurm:
    """Answers each program in turn, the last answer again and again; ``calls`` has the commands."""

    def __init__(
        self, *, squeue: list[Answer], sacct: list[Answer], sinfo: Sequence[Answer] = ()
    ) -> None:
        self._answers = {"squeue": squeue, "sacct": sacct, "sinfo": [*sinfo]}
        self.calls: list[tuple[str, ...]] = []

    async def __call__(self, *command: str) -> str:
        self.calls.append(command)
        answers = self._answers[command[0]]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, SchedulerError):
            raise answer
        return answer

    @property
    def programs(self) -> list[str]:
        return [command[0] for command in self.calls]


def _queue(states: Mapping[int, str]) -> str:
    rows = (f"{n}|{state}|{_OWN}|1|2|n1|x|None\n" for n, state in states.items())
    return _NO_QUEUE + "".join(rows)


def _lives(states: Mapping[int, str]) -> str:
    rows = (f"{n}|{state}|0:0|n1|{_OWN}|1|2|1|x\n" for n, state in states.items())
    return _NO_LIVES + "".join(rows)


def _query(slurm: _Slurm) -> StatusQuery:
    return StatusQuery(slurm, user=_OWN)


async def _states(query: StatusQuery, numbers: Collection[int]) -> dict[int, AllocationState]:
    statuses = await query.statuses(dict.fromkeys(numbers))
    return {number: status.state for number, status in statuses.items()}


async def test_one_command_of_each_kind_serves_all_allocations() -> None:
    slurm = _Slurm(
        squeue=[_queue({1: "RUNNING", 2: "COMPLETED"})],
        sacct=[_lives({2: "COMPLETED", 3: "TIMEOUT"})],
    )

    assert await _states(_query(slurm), [3, 2, 1]) == {1: _ALIVE, 2: _GONE, 3: _GONE}
    assert slurm.programs == ["squeue", "sacct"]
    assert "--jobs=1,2,3" in slurm.calls[0]
    assert "--jobs=2,3" in slurm.calls[1]


async def test_accounting_is_not_queried_while_all_are_alive() -> None:
    slurm = _Slurm(squeue=[_queue({1: "RUNNING", 2: "PENDING"})], sacct=[])

    assert await _states(_query(slurm), [1, 2]) == {1: _ALIVE, 2: _ALIVE}
    assert slurm.programs == ["squeue"]


async def test_no_command_is_run_for_no_allocation() -> None:
    slurm = _Slurm(squeue=[], sacct=[])

    assert await _states(_query(slurm), []) == {}
    assert await query_steps([], slurm) == {}
    assert slurm.calls == []


async def test_queue_of_the_user_is_asked_for_where_numbers_would_be_too_many() -> None:
    numbers = range(1, 30_001)
    slurm = _Slurm(squeue=[_queue({1: "RUNNING"})], sacct=[_lives({30_000: "FAILED"})])

    states = await _states(_query(slurm), numbers)

    assert (states[1], states[30_000], states[2]) == (_ALIVE, _GONE, _UNKNOWN)
    assert slurm.programs == ["squeue", "sacct"]
    assert "--me" in slurm.calls[0]
    assert max(len(word) for call in slurm.calls for word in call) < 128 * 1024


@pytest.mark.looptime
async def test_job_that_accounting_was_not_asked_for_is_never_lost() -> None:
    numbers = range(1, 10_002)
    query = _query(_Slurm(squeue=[_NO_QUEUE], sacct=[_NO_LIVES]))

    await _states(query, numbers)
    await anyio.sleep(LOST_AFTER + 1)
    states = await _states(query, numbers)

    assert (states[1], states[2]) == (_UNKNOWN, _GONE)


async def test_job_counts_only_under_its_name() -> None:
    slurm = _Slurm(
        squeue=[_queue({1: "RUNNING", 2: "RUNNING"})], sacct=[_lives({3: "FAILED", 4: "FAILED"})]
    )

    statuses = await _query(slurm).statuses({1: "x", 2: "y", 3: "x", 4: "y"})

    states = [statuses[number].state for number in (1, 2, 3, 4)]
    assert states == [_ALIVE, _UNKNOWN, _GONE, _UNKNOWN]


async def test_number_that_squeue_does_not_know_is_no_error() -> None:
    """Of a single one squeue says so by failing, of several by an empty table."""
    slurm = _Slurm(
        squeue=[SchedulerError(f"slurm_load_jobs error: {INVALID_NUMBER}")],
        sacct=[_lives({1: "COMPLETED"})],
    )

    assert await _states(_query(slurm), [1]) == {1: _GONE}


async def test_failure_for_several_numbers_is_an_error() -> None:
    slurm = _Slurm(squeue=[SchedulerError(INVALID_NUMBER)], sacct=[_NO_LIVES])

    with pytest.raises(SchedulerError, match=INVALID_NUMBER):
        await _states(_query(slurm), [1, 2])


@pytest.mark.looptime
async def test_query_is_repeated_once_while_slurm_is_unreachable() -> None:
    slurm = _Slurm(squeue=[SchedulerUnreachable("down"), _queue({1: "RUNNING"})], sacct=[_NO_LIVES])

    assert await _states(_query(slurm), [1]) == {1: _ALIVE}
    assert slurm.programs == ["squeue", "squeue"]


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("answer", "calls"), [(SchedulerUnreachable("down"), 2), (SchedulerError("refused"), 1)]
)
async def test_error_of_squeue_decides_nothing(answer: SchedulerError, calls: int) -> None:
    slurm = _Slurm(squeue=[answer], sacct=[_lives({1: "COMPLETED"})])

    with pytest.raises(SchedulerError, match=str(answer)):
        await _states(_query(slurm), [1])
    assert slurm.programs == ["squeue"] * calls


@pytest.mark.looptime
async def test_silence_of_squeue_is_no_answer() -> None:
    """Empty output with exit status 0, as of some sites' own squeue."""
    slurm = _Slurm(squeue=[""], sacct=[_lives({1: "COMPLETED"})])

    with pytest.raises(SchedulerUnreachable):
        await _states(_query(slurm), [1])


@pytest.mark.looptime
async def test_allocations_are_unknown_while_accounting_is_down_unless_alive() -> None:
    slurm = _Slurm(squeue=[_queue({1: "RUNNING", 2: "COMPLETED"})], sacct=[_DOWN])
    query = _query(slurm)

    statuses = await query.statuses(dict.fromkeys((1, 2, 3)))

    assert [statuses[number].state for number in (1, 2, 3)] == [_ALIVE, _UNKNOWN, _UNKNOWN]
    assert statuses[3].detail == "slurmdbd is down"
    assert query.has_accounting


@pytest.mark.looptime
async def test_silence_of_accounting_decides_nothing() -> None:
    slurm = _Slurm(squeue=[_NO_QUEUE], sacct=[""])

    assert await _states(_query(slurm), [1, 2]) == {1: _UNKNOWN, 2: _UNKNOWN}


async def test_accounting_that_does_not_exist_is_asked_once() -> None:
    slurm = _Slurm(squeue=[_queue({1: "COMPLETED", 2: "RUNNING"})], sacct=[_ABSENT])
    query = _query(slurm)

    for _ in range(3):
        assert await _states(query, [1, 2, 3]) == {1: _GONE, 2: _ALIVE, 3: _UNKNOWN}
        assert not query.has_accounting
    assert slurm.programs == ["squeue", "sacct", "squeue", "squeue"]


@pytest.mark.looptime
@pytest.mark.parametrize("accounting", [_NO_LIVES, _ABSENT])
async def test_job_that_slurm_does_not_know_is_gone_after_two_answers_far_apart(
    accounting: Answer,
) -> None:
    query = _query(_Slurm(squeue=[_NO_QUEUE], sacct=[accounting]))

    seen = []
    for pause in (0.0, LOST_AFTER - 1, 2.0, 0.0):
        await anyio.sleep(pause)
        seen.append((await _states(query, [1]))[1])

    assert seen == [_UNKNOWN, _UNKNOWN, _GONE, _GONE]


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("squeue", "sacct"),
    [
        ([_NO_QUEUE, _queue({1: "RUNNING"}), _NO_QUEUE], [_NO_LIVES]),
        # When slurmdbd is back, its rows are not.
        ([_NO_QUEUE], [_NO_LIVES, _DOWN, _DOWN, _NO_LIVES]),
    ],
)
async def test_job_that_was_not_missing_all_the_while_is_not_gone(
    squeue: list[Answer], sacct: list[Answer]
) -> None:
    query = _query(_Slurm(squeue=squeue, sacct=sacct))

    await _states(query, [1])
    await anyio.sleep(LOST_AFTER)
    await _states(query, [1])
    await anyio.sleep(LOST_AFTER)

    assert await _states(query, [1]) == {1: _UNKNOWN}


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("squeue", "pauses", "seen"),
    [
        ([_queue({1: "TIMEOUT"})], [0, DOWN_AFTER - 3, 4], [_UNKNOWN, _UNKNOWN, _GONE]),
        ([_NO_QUEUE], [0, LOST_AFTER - 3, 4], [_UNKNOWN, _UNKNOWN, _GONE]),
        # As after MinJobAge, where that is short.
        ([_queue({1: "TIMEOUT"}), _NO_QUEUE], [0, LOST_AFTER - 3, 4], [_UNKNOWN, _UNKNOWN, _GONE]),
        # Requeued, and ended again.
        (
            [_queue({1: "TIMEOUT"}), _queue({1: "RUNNING"}), _queue({1: "TIMEOUT"})],
            [0, DOWN_AFTER, DOWN_AFTER, DOWN_AFTER - 3, 4],
            [_UNKNOWN, _ALIVE, _UNKNOWN, _UNKNOWN, _GONE],
        ),
    ],
)
async def test_squeue_is_believed_where_accounting_is_down_for_minutes(
    squeue: list[Answer], pauses: list[float], seen: list[AllocationState]
) -> None:
    query = _query(_Slurm(squeue=squeue, sacct=[_DOWN]))

    states = []
    for pause in pauses:
        await anyio.sleep(pause)
        states.append((await _states(query, [1]))[1])

    assert states == seen
    assert query.are_unaccounted([1])
    assert not query.are_unaccounted([1, 2])


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("squeue", "cause"), [(_queue({1: "TIMEOUT"}), EndCause.TIME_LIMIT), (_NO_QUEUE, EndCause.LOST)]
)
async def test_cause_is_what_squeue_says_where_accounting_is_down(
    squeue: str, cause: EndCause
) -> None:
    query = _query(_Slurm(squeue=[squeue], sacct=[_DOWN]))

    await _states(query, [1])
    await anyio.sleep(LOST_AFTER + 1)
    status = (await query.statuses({1: None}))[1]

    assert (status.state, status.cause) == (_GONE, cause)
    assert "accounting has not answered for minutes" in status.detail


@pytest.mark.looptime
async def test_accounting_that_is_back_is_believed() -> None:
    """Until its rows are there, nothing is known."""
    sacct: list[Answer] = [_DOWN, _DOWN, _lives({1: "RUNNING"}), _lives({1: "TIMEOUT"})]
    query = _query(_Slurm(squeue=[_queue({1: "TIMEOUT"})], sacct=sacct))

    seen = []
    for _ in range(3):
        seen.append((await query.statuses({1: None}))[1])
        await anyio.sleep(DOWN_AFTER + 1)

    assert [status.state for status in seen] == [_UNKNOWN, _UNKNOWN, _GONE]
    assert "exit code" in seen[-1].detail
    assert not query.are_unaccounted([1])


@pytest.mark.looptime
async def test_query_for_others_does_not_make_a_job_less_missing() -> None:
    query = _query(_Slurm(squeue=[_NO_QUEUE], sacct=[_NO_LIVES]))

    await _states(query, [1])
    await anyio.sleep(LOST_AFTER / 2)
    await _states(query, [2])
    await anyio.sleep(LOST_AFTER / 2 + 1)

    assert await _states(query, [1, 2]) == {1: _GONE, 2: _UNKNOWN}


def _life(number: int, state: str, nodes: str) -> str:
    return f"{number}|{state}|0:0|{nodes}|{_OWN}|1|2|1|x\n"


def _nodes(**states: str) -> str:
    return "NODELIST|STATECOMPLETE|\n" + "".join(f"{n}|{state}|\n" for n, state in states.items())


async def test_allocation_of_a_failed_node_is_unknown_until_the_node_answers() -> None:
    """Slurm does not end its processes before."""
    silent, back = _nodes(n2="down+not_responding", n3="idle", n5="idle"), _nodes(n2="idle")
    slurm = _Slurm(
        squeue=[_NO_QUEUE],
        sacct=[
            _NO_LIVES
            + _life(1, "NODE_FAIL", "n[2-3]")
            + _life(2, "NODE_FAIL", "n5")
            + _life(3, "BOOT_FAIL", "n6")
            + _life(4, "TIMEOUT", "n7")
        ],
        sinfo=[silent, back + _nodes(n3="idle").partition("\n")[2]],
    )
    query = _query(slurm)

    statuses = await query.statuses(dict.fromkeys((1, 2, 3, 4)))

    assert {number: each.state for number, each in statuses.items()} == {
        1: _UNKNOWN,
        2: _GONE,
        3: _GONE,
        4: _GONE,
    }
    assert statuses[1].cause is EndCause.NODE_FAILURE
    assert statuses[1].silent_nodes == ("n2",)
    assert statuses[1].detail == "node n2 failed and may still run its jobs"
    assert slurm.programs == ["squeue", "sacct", "sinfo"]
    assert "--nodes=n2,n3,n5" in slurm.calls[2]

    assert await _states(query, [1]) == {1: _GONE}


async def test_nodes_are_asked_for_only_after_a_node_failed() -> None:
    slurm = _Slurm(
        squeue=[_queue({1: "RUNNING"})],
        sacct=[_lives({2: "TIMEOUT", 3: "CANCELLED by 1"})],
    )

    assert await _states(_query(slurm), [1, 2, 3]) == {1: _ALIVE, 2: _GONE, 3: _GONE}
    assert slurm.programs == ["squeue", "sacct"]


async def test_failed_node_of_an_earlier_life_counts() -> None:
    """The allocation was requeued, and its next life ended in order, on another node."""
    lives = _life(1, "NODE_FAIL", "n2") + _life(1, "COMPLETED", "n3")
    slurm = _Slurm(
        squeue=[_NO_QUEUE],
        sacct=[_NO_LIVES + lives],
        sinfo=[_nodes(n2="down+not_responding", n3="idle")],
    )

    (status,) = (await _query(slurm).statuses({1: None})).values()

    assert (status.state, status.silent_nodes) == (_UNKNOWN, ("n2",))


@pytest.mark.parametrize("answer", [_nodes(n9="idle"), SchedulerError("no sinfo")])
async def test_failed_node_that_slurm_says_nothing_of_is_silent(answer: Answer) -> None:
    slurm = _Slurm(squeue=[_NO_QUEUE], sacct=[_lives({1: "NODE_FAIL"})], sinfo=[answer])

    assert await _states(_query(slurm), [1]) == {1: _UNKNOWN}


async def test_steps_are_asked_for_with_one_command() -> None:
    step = "2.0|OUT_OF_MEMORY|0:125|n1||5|6|1|wf1_j2_r0_a1\n"
    slurm = _Slurm(squeue=[], sacct=[_lives({1: "COMPLETED", 2: "COMPLETED"}) + step])

    ((number, (row,)),) = (await query_steps([1, 2], slurm)).items()

    assert (number, row.name, row.state) == (2, "wf1_j2_r0_a1", "OUT_OF_MEMORY")
    assert "--jobs=1,2" in slurm.calls[0]
