"""Two models of retries over traces: in rounds, as `torc watch --recover` works, and in place.

Of a kind every job has the same first request. A job that needs more is killed. It gets at most
three retries; then a user runs it once more with what suffices, and it counts as unfinished.
"""

import heapq
import math
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field

from sizing_policies import Policy
from sizing_traces import Task, TracedKind

from torc_watch.core.kind_history import KindHistory, SizedResource, Trial
from torc_watch.core.sizing_policy import Lack, ScoutRun, Sizing, SizingRule, WaitingJob
from torc_watch.core.units import GIB, MIB

_RETRIES = 3
_SLOTS = 16  # jobs of a kind that run at once, in place
_DEATH = 0.6  # of its run time: when a job is killed that lacks memory
_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Run:
    """Seconds, and the waste: what was reserved and not used, or used for nothing."""

    is_complete: bool
    seconds: float
    waste: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a lack of the resource costs. Requests are multiples of ``grid``, ``cap`` at most."""

    resource: SizedResource
    grid: int
    cap: int
    run: Callable[[Task, int], Run]

    def granted(self, request: float) -> int:
        return min(self.cap, math.ceil(request / self.grid) * self.grid)


def _with_memory(task: Task, limit: int) -> Run:
    if task.need <= limit:
        return Run(True, task.seconds, (limit - task.need) * task.seconds)
    return Run(False, task.seconds * _DEATH, limit * task.seconds * _DEATH)


def _with_run_time(task: Task, limit: int) -> Run:
    """Run time that is not used is not charged."""
    return Run(True, task.seconds, 0) if task.need <= limit else Run(False, limit, limit)


MEMORY = Terms(resource=SizedResource.MEMORY, grid=64 * MIB, cap=240 * GIB, run=_with_memory)
RUN_TIME = Terms(resource=SizedResource.RUNTIME, grid=60, cap=30 * _DAY, run=_with_run_time)


@dataclass(frozen=True, slots=True)
class Tally:
    """``lacking`` jobs lacked the resource at least once; ``failed`` counts their attempts."""

    lacking: int
    failed: int
    unfinished: int
    waste: float
    makespan: float


@dataclass
class _Kind:
    """The state of a simulation, of all jobs of a kind by their position."""

    tasks: Sequence[Task]
    first: int
    terms: Terms
    policy: Policy
    limits: list[int] = field(init=False)
    tries: list[int] = field(init=False)
    trials: list[Trial] = field(default_factory=list)
    scouts: set[int] = field(default_factory=set)
    waste: float = 0.0

    def __post_init__(self) -> None:
        self.limits = [self.first] * len(self.tasks)
        self.tries = [0] * len(self.tasks)

    @property
    def history(self) -> KindHistory:
        return KindHistory(
            name="", resource=self.terms.resource, request=self.first, trials=tuple(self.trials)
        )

    def lack(self, job: int, round_: int) -> Lack:
        limit = self.limits[job]
        return Lack(
            job_id=job, job_name="", limit=limit, asked=limit, round=round_, cap=self.terms.cap
        )

    def grant(self, sizing: Sizing) -> None:
        assert sizing.request is not None  # noqa: S101 - it is not held
        self.limits[sizing.job_id] = self.terms.granted(sizing.request)
        if sizing.rule is SizingRule.SCOUT:
            self.scouts.add(sizing.job_id)

    def run(self, job: int) -> Run:
        return self.terms.run(self.tasks[job], self.limits[job])

    def record(self, job: int, run: Run) -> None:
        self.waste += run.waste
        self.tries[job] += not run.is_complete
        self.trials.append(
            Trial(
                job_id=job,
                limit=self.limits[job],
                used=self.tasks[job].need if run.is_complete else None,
                lacked=not run.is_complete,
                is_scout=job in self.scouts,
            )
        )

    def tally(self, unfinished: Collection[int], makespan: float) -> Tally:
        """After a user has run the unfinished ones with twice what they need."""
        for job in unfinished:
            task = self.tasks[job]
            enough = max(task.need, min(self.terms.cap, 2 * task.need))
            self.waste += self.terms.run(task, enough).waste
        longest = max((self.tasks[job].seconds for job in unfinished), default=0.0)
        return Tally(
            lacking=sum(number > 0 for number in self.tries),
            failed=sum(self.tries),
            unfinished=len(unfinished),
            waste=self.waste,
            makespan=makespan + longest,
        )


def in_rounds(kind: TracedKind, first: int, terms: Terms, policy: Policy) -> Tally:
    """All jobs at once; when all have ended, the failed ones that are not held together."""
    state = _Kind(kind.tasks, first, terms, policy)
    left = list(range(len(kind.tasks)))
    makespan = _run_all(state, left)
    for round_ in range(1, _RETRIES + 1):
        left = _unfinished(state, left)
        if left:
            lacks = [state.lack(job, round_) for job in left]
            sizes = policy.sizes(state.history, lacks, None)
            retried = [each for each in sizes if each.request is not None]
            for sizing in retried:
                state.grant(sizing)
            makespan += _run_all(state, [each.job_id for each in retried])
    return state.tally(_unfinished(state, left), makespan)


def _run_all(state: _Kind, jobs: Iterable[int]) -> float:
    runs = {job: state.run(job) for job in jobs}
    for job, run in runs.items():
        state.record(job, run)
    return max((run.seconds for run in runs.values()), default=0.0)


def _unfinished(state: _Kind, jobs: Iterable[int]) -> list[int]:
    done = {each.job_id for each in state.trials if not each.lacked}
    return [job for job in jobs if job not in done]


def in_place(kind: TracedKind, first: int, terms: Terms, policy: Policy) -> Tally:
    """Some jobs at once; each failure is seen at once, and a retry goes before those that wait."""
    return _Stream(_Kind(kind.tasks, first, terms, policy)).run()


class _Stream:
    def __init__(self, state: _Kind) -> None:
        self._state = state
        self._waiting = deque(range(len(state.tasks)))
        self._again: deque[int] = deque()
        self._failed: set[int] = set()  # and not retried since
        self._unfinished: list[int] = []
        self._running: list[tuple[float, int, Run]] = []  # a heap, by the end
        self._started: dict[int, float] = {}
        self._killed_after = 0.0
        self._now = 0.0

    def run(self) -> Tally:
        self._start()
        while self._running:
            self._go_on()
            self._start()
        return self._state.tally([*self._unfinished, *self._failed], self._now)

    def _start(self) -> None:
        while len(self._running) < _SLOTS and (self._again or self._waiting):
            job = (self._again or self._waiting).popleft()
            run = self._state.run(job)
            self._started[job] = self._now
            heapq.heappush(self._running, (self._now + run.seconds, job, run))

    def _go_on(self) -> None:
        """To the next end of a job, or to when a scout is late."""
        late = self._late_at()
        if self._now < late < self._running[0][0]:
            self._now = late
            self._react()
            return
        self._now, job, run = heapq.heappop(self._running)
        del self._started[job]
        self._state.record(job, run)
        if not run.is_complete:
            self._killed_after = max(self._killed_after, run.seconds)
            lost = self._state.tries[job] > _RETRIES
            self._unfinished.append(job) if lost else self._failed.add(job)
        if not run.is_complete or job in self._state.scouts:
            self._react()

    def _late_at(self) -> float:
        begun = [self._started[job] for job in self._state.scouts if job in self._started]
        if not begun or not self._failed:
            return 0.0
        return max(begun) + 2 * self._killed_after + 1e-6

    def _react(self) -> None:
        state, history = self._state, self._state.history
        lacks = [state.lack(job, state.tries[job]) for job in sorted(self._failed)]
        for sizing in state.policy.sizes(history, lacks, self._scout_run()):
            if sizing.request is not None:
                state.grant(sizing)
                self._failed.remove(sizing.job_id)
                is_scout = sizing.rule is SizingRule.SCOUT
                (self._again.appendleft if is_scout else self._again.append)(sizing.job_id)
        self._raise_waiting(history)

    def _scout_run(self) -> ScoutRun | None:
        """One that waits for a slot runs, too: for no time."""
        out = [job for job in self._state.scouts if job in self._started or job in self._again]
        if not out:
            return None
        ran = self._now - self._started.get(out[0], self._now)
        return ScoutRun(job_id=out[0], job_name="", ran=ran, killed_after=self._killed_after)

    def _raise_waiting(self, history: KindHistory) -> None:
        """All that wait have one request, so that one of them stands for all."""
        state = self._state
        if self._waiting:
            job = self._waiting[0]
            asked = WaitingJob(job_id=job, asked=state.limits[job], cap=state.terms.cap)
            for sizing in state.policy.waiting(history, [asked]):
                limit = state.terms.granted(sizing.request or 0)
                for each in self._waiting:
                    state.limits[each] = limit
