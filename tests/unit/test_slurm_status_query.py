"""How many commands a status query runs, and what their failures do to it."""

import pytest

from torc_watch.core.allocation import AllocationState
from torc_watch.core.errors import SchedulerError, SchedulerUnreachable
from torc_watch.schedulers.slurm.slurm_commands import INVALID_NUMBER
from torc_watch.schedulers.slurm.status_query import query_statuses

_ALIVE, _GONE, _UNKNOWN = AllocationState.ALIVE, AllocationState.GONE, AllocationState.UNKNOWN
_NO_QUEUE = "JOBID|STATE\n"
_NO_ACCOUNTING = "JobIDRaw|State|ExitCode|NodeList\n"

Answer = str | SchedulerError


class _Slurm:
    """Answers each program in turn, the last answer again and again; ``calls`` has the commands."""

    def __init__(self, *, squeue: list[Answer], sacct: list[Answer]) -> None:
        self._answers = {"squeue": squeue, "sacct": sacct}
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


async def _states(slurm: _Slurm, *numbers: int) -> dict[int, AllocationState]:
    statuses = await query_statuses(numbers, slurm)
    return {number: status.state for number, status in statuses.items()}


async def test_one_command_of_each_kind_serves_all_allocations() -> None:
    slurm = _Slurm(
        squeue=[_NO_QUEUE + "1|RUNNING\n2|COMPLETED\n"],
        sacct=[_NO_ACCOUNTING + "2|COMPLETED|0:0|n1\n3|TIMEOUT|0:0|n1\n"],
    )

    assert await _states(slurm, 3, 2, 1) == {1: _ALIVE, 2: _GONE, 3: _GONE}
    assert slurm.programs == ["squeue", "sacct"]
    assert "--jobs=1,2,3" in slurm.calls[0]
    assert "--jobs=2,3" in slurm.calls[1]


async def test_accounting_is_not_queried_while_all_are_alive() -> None:
    slurm = _Slurm(squeue=[_NO_QUEUE + "1|RUNNING\n2|PENDING\n"], sacct=[])

    assert await _states(slurm, 1, 2) == {1: _ALIVE, 2: _ALIVE}
    assert slurm.programs == ["squeue"]


async def test_no_command_is_run_for_no_allocation() -> None:
    slurm = _Slurm(squeue=[], sacct=[])

    assert await _states(slurm) == {}
    assert slurm.calls == []


async def test_number_that_squeue_does_not_know_is_no_error() -> None:
    """Of a single one squeue says so by failing, of several by an empty table."""
    slurm = _Slurm(
        squeue=[SchedulerError(f"slurm_load_jobs error: {INVALID_NUMBER}")],
        sacct=[_NO_ACCOUNTING + "1|COMPLETED|0:0|n1\n"],
    )

    assert await _states(slurm, 1) == {1: _GONE}


@pytest.mark.looptime
async def test_query_is_repeated_once_while_slurm_is_unreachable() -> None:
    slurm = _Slurm(
        squeue=[SchedulerUnreachable("down"), _NO_QUEUE + "1|RUNNING\n"], sacct=[_NO_ACCOUNTING]
    )

    assert await _states(slurm, 1) == {1: _ALIVE}
    assert slurm.programs == ["squeue", "squeue"]


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("answer", "calls"), [(SchedulerUnreachable("down"), 2), (SchedulerError("refused"), 1)]
)
async def test_error_of_squeue_decides_nothing(answer: SchedulerError, calls: int) -> None:
    slurm = _Slurm(squeue=[answer], sacct=[_NO_ACCOUNTING + "1|COMPLETED|0:0|n1\n"])

    with pytest.raises(SchedulerError, match=str(answer)):
        await _states(slurm, 1)
    assert slurm.programs == ["squeue"] * calls


@pytest.mark.looptime
async def test_silence_of_squeue_is_no_answer() -> None:
    """Empty output with exit status 0, as of some sites' own squeue."""
    slurm = _Slurm(squeue=[""], sacct=[_NO_ACCOUNTING + "1|COMPLETED|0:0|n1\n"])

    with pytest.raises(SchedulerUnreachable):
        await _states(slurm, 1)


@pytest.mark.looptime
async def test_allocations_are_unknown_without_accounting_unless_alive() -> None:
    slurm = _Slurm(
        squeue=[_NO_QUEUE + "1|RUNNING\n2|COMPLETED\n"],
        sacct=[SchedulerUnreachable("slurmdbd is down")],
    )

    statuses = await query_statuses([1, 2, 3], slurm)

    assert [statuses[number].state for number in (1, 2, 3)] == [_ALIVE, _UNKNOWN, _UNKNOWN]
    assert statuses[3].detail == "slurmdbd is down"


@pytest.mark.looptime
async def test_silence_of_accounting_decides_nothing() -> None:
    slurm = _Slurm(squeue=[_NO_QUEUE], sacct=[""])

    assert await _states(slurm, 1, 2) == {1: _UNKNOWN, 2: _UNKNOWN}
