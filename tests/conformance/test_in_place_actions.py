"""Actions of a workflow whose jobs are retried in place: the server counts ends, not jobs."""

from typing import TYPE_CHECKING

import pytest

from tests.conformance.in_place_steps import end, retry, start_all
from tests.conformance.test_actions import add_action, pending

if TYPE_CHECKING:
    from tests.conformance.conftest import Torc


async def test_failure_and_its_retry_count_as_two_jobs(torc: "Torc") -> None:
    """The action for both jobs becomes due although one of them still runs."""
    await torc.add({"a": [], "other": []})
    ids = [await torc.id_of(name) for name in ("a", "other")]
    action = await add_action(torc, trigger_type="on_jobs_complete", job_ids=ids)
    await torc.workflow("POST", "initialize_jobs")
    await torc.finish(a=137)
    assert await torc.start("other") == 200
    assert await pending(torc) == []
    assert await retry(torc, "a") == 200
    assert await end(torc, "a") == 200
    assert (await torc.statuses())["other"] == "running"
    assert await pending(torc) == [action]


@pytest.mark.parametrize("trigger_type", ["on_jobs_ready", "on_jobs_complete"])
async def test_retried_job_does_not_trigger_its_own_action_again(
    torc: "Torc", trigger_type: str
) -> None:
    await torc.add({"a": [], "other": []})
    ids = [await torc.id_of("a")]
    action = await add_action(torc, trigger_type=trigger_type, job_ids=ids)
    await torc.workflow("POST", "initialize_jobs")
    await torc.finish(a=137)
    assert await torc.start("other") == 200
    assert await pending(torc) == [action]
    await torc.workflow("POST", f"actions/{action}/claim", {})
    assert await retry(torc, "a") == 200
    assert await end(torc, "a") == 200
    assert await pending(torc) == []


async def test_dependents_of_a_retried_job_trigger_their_action_once_ready(torc: "Torc") -> None:
    await torc.add({"other": [], "a": [], "b": ["a"]})
    ids = [await torc.id_of("b")]
    action = await add_action(torc, trigger_type="on_jobs_ready", job_ids=ids)
    await torc.workflow("POST", "initialize_jobs")
    await torc.finish(a=137)
    await torc.background_work_done()
    assert (await torc.statuses())["b"] == "canceled"
    assert await torc.set_status("a", "running") == 200
    assert await torc.set_status("b", "blocked") == 200
    assert await retry(torc, "a") == 200
    assert await pending(torc) == []
    assert await end(torc, "a") == 200
    assert await pending(torc) == [action]


async def test_action_for_the_end_of_the_workflow(torc: "Torc") -> None:
    """It becomes due when the last job fails, and only once: so retry before the others end."""
    action = await add_action(torc, trigger_type="on_workflow_complete")
    await start_all(torc, {"a": [], "other": []})
    assert await torc.complete("a", "failed", 137) == 200
    assert await retry(torc, "a") == 200
    assert await torc.complete("other") == 200
    assert await pending(torc) == []
    assert await end(torc, "a", 137) == 200
    assert await pending(torc) == [action]
    await torc.workflow("POST", f"actions/{action}/claim", {})
    assert await retry(torc, "a") == 200
    assert await end(torc, "a") == 200
    assert await pending(torc) == []
