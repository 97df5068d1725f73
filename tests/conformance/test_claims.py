"""Which ready jobs a worker gets, and in which order."""

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conformance.conftest import Torc

newer_servers = pytest.mark.parametrize("server", ["embedded-1.0", "torc-1.0.0"], indirect=True)

NODE: dict[str, Any] = {"num_cpus": 64, "memory_gb": 64.0, "num_gpus": 0, "num_nodes": 1}


async def test_job_starts_only_after_its_claim_and_in_its_run(torc: "Torc") -> None:
    await torc.add({"job": []})
    await torc.workflow("POST", "initialize_jobs")
    assert await torc.start("job") == 500
    assert await torc.claim() == ["job"]
    torc.run_id = 1
    assert await torc.start("job") == 422
    torc.run_id = 0
    assert await torc.start("job") == 200
    assert await torc.count_on_node() == 1
    assert await torc.complete("job") == 200
    assert await torc.count_on_node() == 0


async def test_canceled_workflow_has_no_jobs_to_claim(torc: "Torc") -> None:
    await torc.add({"a": []})
    await torc.workflow("POST", "initialize_jobs")
    await torc.workflow("PUT", "cancel")
    claimed = await torc.workflow("POST", "claim_jobs_based_on_resources/1", NODE)
    assert claimed == {"jobs": [], "reason": "Workflow is canceled"}


async def test_jobs_are_claimed_once(torc: "Torc") -> None:
    await torc.add({"a": [], "b": [], "c": []})
    await torc.workflow("POST", "initialize_jobs")
    first = (await torc.workflow("POST", "claim_jobs_based_on_resources/2", NODE))["jobs"]
    assert [job["name"] for job in first] == ["a", "b"]
    assert await torc.claim() == ["c"]
    assert await torc.claim() == []


async def test_worker_gets_jobs_of_its_scheduler_first(torc: "Torc") -> None:
    await torc.add({"other": []}, scheduler_id=8)
    await torc.add({"own": []}, scheduler_id=7)
    await torc.workflow("POST", "initialize_jobs")
    mine = NODE | {"scheduler_config_id": 7}
    path = "claim_jobs_based_on_resources/10"
    names = []
    for query in ("", "?strict_scheduler_match=true", ""):
        jobs = (await torc.workflow("POST", path + query, mine))["jobs"]
        names.append([job["name"] for job in jobs])
    assert names == [["own"], [], ["other"]]


async def test_order_of_claims(torc: "Torc") -> None:
    """By priority in API 1.0; by the worker's sort method in API 0.12."""
    needs = {"workflow_id": torc.workflow_id, "num_cpus": 1, "num_gpus": 0, "num_nodes": 1}
    for name, runtime in (("short", "PT1M"), ("long", "PT1H")):
        body = needs | {"name": name, "memory": "1m", "runtime": runtime}
        row = await torc.ask("POST", "/resource_requirements", body)
        fields = {"resource_requirements_id": row["id"]}
        if torc.api_version == "1.0":
            fields["priority"] = row["id"]
        await torc.add({name: []}, **fields)
    await torc.workflow("POST", "initialize_jobs")
    path = "claim_jobs_based_on_resources/1?sort_method=gpus_runtime_memory"
    assert [job["name"] for job in (await torc.workflow("POST", path, NODE))["jobs"]] == ["long"]


async def test_time_limit_excludes_long_jobs(torc: "Torc") -> None:
    await torc.add({"minute": []})  # the default requirements request one minute
    await torc.workflow("POST", "initialize_jobs")
    path = "claim_jobs_based_on_resources/1"
    found = await torc.workflow("POST", path, NODE | {"time_limit": "PT59S"})
    assert found["jobs"] == []
    invalid = f"/workflows/{torc.workflow_id}/{path}"
    assert await torc.status_of("POST", invalid, NODE | {"time_limit": "soon"}) == 422
    found = await torc.workflow("POST", path, NODE | {"time_limit": "PT1M"})
    assert len(found["jobs"]) == 1


@pytest.mark.parametrize(
    "need", [{"num_cpus": 65}, {"num_gpus": 1}, {"num_nodes": 2}, {"memory": "65g"}]
)
async def test_jobs_that_cannot_fit_do_not_count_for_the_limit(
    torc: "Torc", need: dict[str, Any]
) -> None:
    body = {"workflow_id": torc.workflow_id, "name": "large", "num_cpus": 1, "num_gpus": 0}
    body |= {"num_nodes": 1, "memory": "1m", "runtime": "PT1M", **need}
    row = await torc.ask("POST", "/resource_requirements", body)
    await torc.add({"large": []}, resource_requirements_id=row["id"])
    await torc.add({"small": []})
    await torc.workflow("POST", "initialize_jobs")
    claimed = await torc.workflow("POST", "claim_jobs_based_on_resources/1", NODE)
    assert [job["name"] for job in claimed["jobs"]] == ["small"]


@newer_servers
async def test_largest_job_is_claimed_first(torc: "Torc") -> None:
    await add_job(torc, "plain")
    await add_job(torc, "many CPUs", num_cpus=3)
    await add_job(torc, "much memory", memory="2m")
    await add_job(torc, "long", runtime="PT9M")
    await add_job(torc, "urgent", priority=1)
    await torc.workflow("POST", "initialize_jobs")
    names = ["urgent", "long", "much memory", "many CPUs", "plain"]
    assert await torc.claim() == names


@newer_servers
async def test_remaining_resources_are_used_by_later_jobs(torc: "Torc") -> None:
    for name, cpus in (("large", 3), ("larger", 3), ("small", 1)):
        await add_job(torc, name, num_cpus=cpus)
    await torc.workflow("POST", "initialize_jobs")
    assert await claimed(torc, limit=2, num_cpus=4) == ["large", "small"]


@newer_servers
async def test_job_larger_than_a_node_is_not_claimed(torc: "Torc") -> None:
    for name, cpus in (("small", 1), ("too large", 6)):
        await add_job(torc, name, num_cpus=cpus)
    await torc.workflow("POST", "initialize_jobs")
    assert await claimed(torc, num_nodes=2, num_cpus=4) == ["small"]


@pytest.mark.parametrize(
    ("expected_names", "nodes"),
    [
        ({"0.12": ["wide", "a"], "1.0": ["wide"]}, 2),
        ({"0.12": ["wide", "a"], "1.0": ["wide", "a", "b"]}, 3),
    ],
)
async def test_nodes_of_a_multi_node_job(
    torc: "Torc", expected_names: dict[str, list[str]], nodes: int
) -> None:
    """In API 1.0 the job has its nodes exclusively, and each node has all the stated CPUs."""
    await add_job(torc, "wide", num_nodes=2, num_cpus=2, runtime="PT9M")
    for name in ("a", "b"):
        await add_job(torc, name, num_cpus=2)
    await torc.workflow("POST", "initialize_jobs")
    assert await claimed(torc, num_nodes=nodes, num_cpus=4) == expected_names[torc.api_version]


async def add_job(torc: "Torc", name: str, *, priority: int = 0, **needs: Any) -> None:
    body = {"workflow_id": torc.workflow_id, "name": name, "num_cpus": 1, "num_gpus": 0}
    body |= {"num_nodes": 1, "memory": "1m", "runtime": "PT1M", **needs}
    row = await torc.ask("POST", "/resource_requirements", body)
    await torc.add({name: []}, resource_requirements_id=row["id"], priority=priority)


async def claimed(torc: "Torc", limit: int = 10, **node: Any) -> list[str]:
    path = f"claim_jobs_based_on_resources/{limit}"
    jobs = (await torc.workflow("POST", path, NODE | node))["jobs"]
    return [job["name"] for job in jobs]
