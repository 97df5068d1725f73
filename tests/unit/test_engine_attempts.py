"""Rounds record the attempts of the kinds that lacked something, and plan with all of them."""

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.conftest import Ending, Forward
from tests.rigs.daemon import OOM
from torc_watch.core import policy
from torc_watch.core.errors import JournalError
from torc_watch.core.events import Verdict
from torc_watch.core.kind_history import AttemptEnd, SizedAttempt
from torc_watch.core.model import StepUsage
from torc_watch.core.recovery_round import RecoverySettings
from torc_watch.core.situation import Situation
from torc_watch.core.sizing_policy import SizingPolicy
from torc_watch.core.units import MIB
from torc_watch.core.workflow_key import WorkflowIdentity
from torc_watch.daemon.stored_attempts import StoredAttempts, attempts_of
from torc_watch.engine.attempt_history import with_found
from torc_watch.engine.attempt_table import AttemptTable
from torc_watch.engine.failure_search import FailureSearch
from torc_watch.engine.journal import Journal
from torc_watch.engine.messages import Diagnosis
from torc_watch.torc import pagination
from torc_watch.torc.client import TorcClient

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import OpenSite, Site

pytestmark = pytest.mark.looptime

CODE: Ending = (1, 20 * MIB, 10.0)
FINE: Ending = (0, 40 * MIB, 10.0)
UNMEASURED: Ending = (0, 0, 10.0)
ONE_ROUND = RecoverySettings(max_retries=1)


@pytest.fixture
def situations(monkeypatch: pytest.MonkeyPatch) -> list[Situation]:
    """From which plans were made, in order."""
    seen: list[Situation] = []
    make = policy.plan

    def plan(situation: Situation, settings: RecoverySettings) -> Any:
        seen.append(situation)
        return make(situation, settings)

    monkeypatch.setattr(policy, "plan", plan)
    return seen


async def identity_of(site: "Site", workflow_id: int) -> WorkflowIdentity:
    workflow = await site.client.get_workflow(workflow_id)
    return WorkflowIdentity.of(workflow, site.client.transport.connection.url)


async def stored(site: "Site", workflow_id: int) -> StoredAttempts:
    """As another process reads them."""
    return attempts_of(site.directory, await identity_of(site, workflow_id))


async def shown(
    site: "Site", workflow_id: int, attempts: tuple[SizedAttempt, ...]
) -> dict[tuple[str, int], tuple[AttemptEnd, int, int]]:
    """The end, and the requested and the used MiB, by the job's name and the run."""
    names = {job.id: job.name for job in await site.client.list_jobs(workflow_id)}
    return {
        (names[each.job_id], each.run_id): (
            each.end,
            (each.memory or 0) // MIB,
            int(each.peak or 0) // MIB,
        )
        for each in attempts
    }


def completed_lists(site: "Site") -> list[str]:
    """From now on: of what completed jobs were asked for, by the last part of the path."""
    asked: list[str] = []

    async def note(request: httpx.Request, forward: Forward) -> httpx.Response:
        if request.url.params.get("status") == "completed":
            asked.append(request.url.path.rsplit("/", 1)[1])
        return await forward(request)

    site.line.fault = note
    return asked


async def test_attempts_of_two_rounds_are_recorded(
    open_site: "OpenSite", situations: list[Situation]
) -> None:
    async with open_site() as site:
        site.scheduler.endings = {
            "train_1": [OOM, OOM],
            "train_2": [FINE],
            "train_3": [UNMEASURED],
            "prepare": [CODE],
            "plot_1": [FINE],
        }
        workflow_id = await site.submit([*site.scheduler.endings])

        assert (await site.watch(workflow_id)).verdict is Verdict.SUCCEEDED

        attempts = (await stored(site, workflow_id)).attempts
        found = await shown(site, workflow_id, attempts)
        requested = found["train_1", 2][1]
        assert requested > 64
        assert found == {
            ("train_1", 1): (AttemptEnd.OUT_OF_MEMORY, 64, 64),
            ("train_1", 2): (AttemptEnd.OUT_OF_MEMORY, requested, 64),
            ("train_2", 1): (AttemptEnd.COMPLETED, 64, 40),
            ("train_3", 1): (AttemptEnd.COMPLETED, 64, 0),
        }
        assert [len(each.attempts) for each in situations] == [3, 4]
        assert set(situations[-1].attempts) == set(attempts)


async def test_next_watch_knows_the_attempts_of_the_one_before(
    open_site: "OpenSite", situations: list[Situation]
) -> None:
    """The server shows the current result of each job only."""
    async with open_site() as site:
        site.scheduler.endings = {"train_1": [OOM, OOM], "train_2": [FINE]}
        workflow_id = await site.submit(["train_1", "train_2"])
        ended = await site.watch(workflow_id, recovery=ONE_ROUND)
        assert ended.verdict is Verdict.EXHAUSTED
        first = next(each for each in situations[0].attempts if each.peak == 64 * MIB)

        await site.watch(workflow_id, recovery=ONE_ROUND)

        assert first in situations[-1].attempts
        assert len(situations[-1].attempts) == 3


@pytest.mark.parametrize(
    ("ending", "sizing", "asked"),
    [
        pytest.param(OOM, SizingPolicy.EVIDENCE, ["jobs", "results"], id="lacked memory"),
        pytest.param(OOM, SizingPolicy.FIXED, [], id="by the user's multipliers"),
        pytest.param(CODE, SizingPolicy.EVIDENCE, [], id="lacked nothing"),
    ],
)
async def test_completed_jobs_are_asked_for_only_where_they_matter(
    open_site: "OpenSite", ending: Ending, sizing: SizingPolicy, asked: list[str]
) -> None:
    async with open_site() as site:
        site.scheduler.endings = {"train_1": [ending], "train_2": [FINE]}
        workflow_id = await site.submit(["train_1", "train_2"])
        lists = completed_lists(site)

        await site.watch(workflow_id, recovery=RecoverySettings(sizing=sizing))

        assert lists == asked
        attempts = (await stored(site, workflow_id)).attempts
        assert len(attempts) == (len(asked) or ending is OOM)


async def test_results_are_not_asked_for_where_no_job_of_the_kind_completed(
    open_site: "OpenSite",
) -> None:
    async with open_site() as site:
        site.scheduler.endings = {"train_1": [OOM], "plot": [FINE]}
        workflow_id = await site.submit(["train_1", "plot"])
        lists = completed_lists(site)
        await site.watch(workflow_id)
        assert lists == ["jobs"]


async def test_many_completed_jobs_are_read_page_by_page(
    open_site: "OpenSite", situations: list[Situation], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pagination, "PAGE_SIZES", (2,))
    async with open_site() as site:
        peers = {f"train_{number}": [FINE] for number in range(2, 9)}
        site.scheduler.endings = {"train_1": [OOM], **peers}
        workflow_id = await site.submit([*site.scheduler.endings])
        await site.watch(workflow_id)
        ends = [each.end for each in situations[0].attempts]
        assert ends.count(AttemptEnd.COMPLETED) == 7


async def test_plan_that_is_only_shown_knows_the_same_and_records_nothing(
    open_site: "OpenSite", situations: list[Situation], monkeypatch: pytest.MonkeyPatch
) -> None:
    diagnoses: list[Diagnosis] = []
    diagnose = FailureSearch.diagnose
    seen: list[tuple[SizedAttempt, ...]] = []

    async with open_site() as site:
        site.scheduler.endings = {"train_1": [OOM, OOM], "train_2": [FINE], "train_3": [FINE]}
        workflow_id = await site.submit([*site.scheduler.endings])
        journal = site.directory / "journal.db"

        async def and_show(search: FailureSearch, *args: Any) -> Diagnosis:
            diagnoses.append(await diagnose(search, *args))
            workflow, before = await site.client.get_workflow(workflow_id), journal.read_bytes()
            known = await stored(site, workflow_id)
            findings = diagnoses[-1].findings
            seen.append(
                await with_found(
                    site.client,
                    workflow,
                    findings,
                    known.attempts,
                    known.scouts,
                    with_peers=True,
                )
            )
            assert journal.read_bytes() == before
            return diagnoses[-1]

        monkeypatch.setattr(FailureSearch, "diagnose", and_show)
        await site.watch(workflow_id)

    assert [set(each) for each in seen] == [set(each.attempts) for each in situations]
    assert len(seen) == 2


def failing_once(
    monkeypatch: pytest.MonkeyPatch, owner: type, name: str, *, after: bool = False
) -> None:
    """A method raises as on a full disk, the first time."""
    method: Callable[..., Any] = getattr(owner, name)
    failures = [JournalError("No space left on device.")]

    def fail(*args: Any) -> Any:
        if after:
            method(*args)
        if failures:
            raise failures.pop()
        return None if after else method(*args)

    monkeypatch.setattr(owner, name, fail)


@pytest.mark.parametrize(
    ("after", "recorded"),
    [
        pytest.param(False, 0, id="attempts cannot be written"),
        pytest.param(True, 2, id="killed before the plan is recorded"),
    ],
)
async def test_round_without_its_record_changes_nothing_and_is_made_again(
    open_site: "OpenSite",
    monkeypatch: pytest.MonkeyPatch,
    after: bool,
    recorded: int,
) -> None:
    async with open_site() as site:
        site.scheduler.endings = {"train_1": [OOM], "train_2": [FINE]}
        workflow_id = await site.submit(["train_1", "train_2"])
        failing_once(monkeypatch, AttemptTable, "record", after=after)
        with pytest.raises(JournalError):
            await site.watch(workflow_id)
        assert (await site.client.get_workflow(workflow_id)).run_id == 1
        assert {row.memory for row in (await site.requirements(workflow_id)).values()} == {64 * MIB}
        assert len((await stored(site, workflow_id)).attempts) == recorded

        assert (await site.watch(workflow_id)).verdict is Verdict.SUCCEEDED
        assert len((await stored(site, workflow_id)).attempts) == 2


async def test_what_a_scout_needed_is_what_the_others_request(
    open_site: "OpenSite", situations: list[Situation], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan of the first round says which one it is; another process makes the second one."""
    async with open_site() as site:
        site.scheduler.endings = {
            "train_1": [OOM],
            "train_2": [OOM],
            "train_3": [OOM, (0, 300 * MIB, 10.0)],
            "train_4": [OOM],
        }
        workflow_id = await site.submit([*site.scheduler.endings])
        failing_once(monkeypatch, Journal, "end_round", after=True)
        with pytest.raises(JournalError):
            await site.watch(workflow_id)
        assert len(situations) == 1
        assert (await site.watch(workflow_id)).verdict is Verdict.SUCCEEDED

        requests = await site.requirements(workflow_id)
        assert [(row.memory or 0) // MIB for row in requests.values()] == [360, 360, 512, 360]
        attempts = (await stored(site, workflow_id)).attempts
        found = await shown(site, workflow_id, tuple(each for each in attempts if each.is_scout))
        assert found == {("train_3", 2): (AttemptEnd.COMPLETED, 512, 300)}
        assert set(situations[1].attempts) == set(attempts)
        assert len(attempts) == 5


async def test_workflow_of_a_server_that_was_set_up_anew_has_a_history_of_its_own(
    open_site: "OpenSite", situations: list[Situation]
) -> None:
    """It has the same ID, and the journal is the same."""
    workflows: list[int] = []
    for _ in range(2):
        async with open_site() as site:
            site.scheduler.endings = {"train_1": [OOM]}
            workflows.append(await site.submit(["train_1"]))
            await site.watch(workflows[-1])
            shutil.rmtree(site.directory / "server")
    assert workflows == [1, 1]
    assert [len(each.attempts) for each in situations] == [1, 1]


async def test_what_slurm_measured_of_peers_counts_where_it_is_more(
    open_site: "OpenSite", monkeypatch: pytest.MonkeyPatch, situations: list[Situation]
) -> None:
    async with open_site() as site:
        site.scheduler.endings = {"train_1": [OOM], "train_2": [FINE], "train_3": [FINE]}
        workflow_id = await site.submit([*site.scheduler.endings])
        ids = {job.name: job.id for job in await site.client.list_jobs(workflow_id)}

        async def usage(_client: TorcClient, _workflow_id: int) -> list[StepUsage]:
            step = StepUsage(
                job_id=ids["train_2"], run_id=1, attempt=1, peak_memory=60 * MIB, nodes="n1"
            )
            return [step, replace(step, job_id=ids["train_3"], peak_memory=MIB)]

        monkeypatch.setattr(TorcClient, "list_step_usage", usage)
        await site.watch(workflow_id)
        peaks = {each.job_id: each.peak for each in situations[0].attempts}
        assert (peaks[ids["train_2"]], peaks[ids["train_3"]]) == (60 * MIB, 40 * MIB)
