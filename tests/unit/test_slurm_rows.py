"""Rows of Slurm schedulers, and what Slurm says of an allocation under one."""

from dataclasses import replace

import pytest

from torc_watch.app.slurm_rows import carried_options, default_options
from torc_watch.core.allocation import AllocationSpec
from torc_watch.core.errors import InvalidInput, SchedulerError, SchedulerUnreachable
from torc_watch.core.scheduler_rows import option_value
from torc_watch.core.units import GIB, MIB
from torc_watch.schedulers.slurm import start_estimate
from torc_watch.schedulers.slurm.start_estimate import (
    StartEstimate,
    estimate_start,
    expected_start,
    parse_start,
    trial_command,
)
from torc_watch.torc.api_version import ApiVersion
from torc_watch.torc.requests import NewSchedulingAction, NewSlurmScheduler
from torc_watch.torc.wire import SlurmSchedulerRow

ROW = NewSlurmScheduler(
    name="train",
    account="science",
    partition="gpu",
    qos="high",
    num_cpus=8,
    memory=16 * GIB + 1,
    num_gpus=2,
    gpu_type="h100",
    num_nodes=3,
    runtime=90_000,
    extra=("--exclusive", "--constraint='amd&ib'"),
)
PLAIN = NewSlurmScheduler(
    name="plain", account="a", partition="batch", num_cpus=1, memory=64 * MIB, runtime=600
)


def test_row_is_read_as_it_was_written() -> None:
    config = SlurmSchedulerRow.model_validate({"id": 5, **ROW.body(42, ApiVersion.V1_0)}).to_model()

    assert (config.num_cpus, config.num_gpus, config.num_nodes) == (8, 2, 3)
    assert config.memory == 16 * GIB + MIB  # Slurm has whole MiB
    assert config.runtime == 90_000
    assert config.partitions == ("gpu",)
    assert config.options == (
        "--account=science",
        "--partition=gpu",
        "--qos=high",
        "--gres=gpu:h100:2",
        "--cpus-per-task=8 --exclusive --constraint='amd&ib'",
    )


def test_row_without_gpus_and_qos() -> None:
    body = PLAIN.body(42, ApiVersion.V1_0)
    assert body == {
        "workflow_id": 42,
        "name": "plain",
        "account": "a",
        "partition": "batch",
        "nodes": 1,
        "mem": "64M",
        "walltime": "0:10:00",
        "extra": "--cpus-per-task=1",
    }


@pytest.mark.parametrize(
    ("api_version", "kept"), [(ApiVersion.V0_12, None), (ApiVersion.V1_0, True)]
)
def test_row_of_serialized_allocations(api_version: ApiVersion, kept: bool | None) -> None:
    row = replace(PLAIN, is_serialized=True)
    assert row.body(42, api_version).get("serialize_allocations") is kept


def test_action_waits_for_all_of_its_jobs() -> None:
    action = NewSchedulingAction(scheduler_config_id=7, allocations=2, job_ids=(3, 4), ready=1)
    body = action.body(42)
    assert (body["trigger_count"], body["required_triggers"]) == (1, 2)
    assert body["action_config"] == {
        "scheduler_type": "slurm",
        "scheduler_id": 7,
        "num_allocations": 2,
    }


def test_trial_command() -> None:
    assert trial_command(ROW) == (
        *("sbatch", "--test-only", "--account=science", "--partition=gpu", "--qos=high"),
        *("--gres=gpu:h100:2", "--mem=16385M", "--nodes=3", "--ntasks-per-node=1"),
        *("--time=1-01:00:00", "--cpus-per-task=8", "--exclusive", "--constraint=amd&ib"),
        "--wrap=hostname",
    )


@pytest.mark.parametrize(
    ("messages", "begins"),
    [
        (
            "sbatch: Job 23 to start at 2026-11-28T18:36:42 using 1 processors on nodes a1",
            "2026-11-28T18:36:42",
        ),
        (
            "sbatch: Job 7 to start at 2026-11-28T18:36:42 a using 1 processors on nodes a1",
            "2026-11-28T18:36:42",
        ),
        ("sbatch: a notice of the site", None),
        ("", None),
    ],
)
def test_start(messages: str, begins: str | None) -> None:
    found = parse_start(messages)
    assert (found and found.isoformat()[:19]) == begins
    assert found is None or found.tzinfo is not None


_ADVICE = "Run sbatch by hand on this login node to find out why."


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (
            "allocation failure: Requested node configuration is not available",
            "Requested node configuration is not available",
        ),
        (
            "sbatch: error: QOSMaxWallDurationPerJobLimit / allocation failure: Job violates QOS",
            "QOSMaxWallDurationPerJobLimit / Job violates QOS",
        ),
    ],
)
async def test_refusal(monkeypatch: pytest.MonkeyPatch, message: str, reason: str) -> None:
    async def refuse(*_: str) -> str:
        raise SchedulerError(f"sbatch failed with status 1: {message}. {_ADVICE}")

    monkeypatch.setattr(start_estimate, "run_for_messages", refuse)
    assert await estimate_start(PLAIN) == StartEstimate(refusal=reason)


async def test_start_of_a_planned_allocation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for with all that its script would ask for."""
    asked: list[tuple[str, ...]] = []

    async def answer(*command: str) -> str:
        asked.append(command)
        return "sbatch: Job 23 to start at 2026-11-28T18:36:42 using 1 processors on nodes a1"

    monkeypatch.setattr(start_estimate, "run_for_messages", answer)
    spec = AllocationSpec(
        token="t",  # noqa: S106 - no password
        num_cpus=2,
        memory=GIB,
        options=("--account=science -q 'high prio'", '--comment="open'),
        excluded_nodes=("n7",),
    )
    found = await expected_start(spec)

    assert found is not None
    assert found.isoformat()[:19] == "2026-11-28T18:36:42"
    assert asked == [
        (
            *("sbatch", "--test-only", "--account=science", "-q", "high prio", '--comment="open'),
            *("--nodes=1", "--ntasks-per-node=1", "--cpus-per-task=2", "--time=525600"),
            *("--mem=1024M", "--exclude=n7", "--wrap=hostname"),
        )
    ]


@pytest.mark.parametrize("error", [SchedulerError("refused"), SchedulerUnreachable("no answer")])
async def test_start_that_slurm_does_not_tell(
    monkeypatch: pytest.MonkeyPatch, error: SchedulerError
) -> None:
    async def fail(*_: str) -> str:
        raise error

    monkeypatch.setattr(start_estimate, "run_for_messages", fail)
    spec = AllocationSpec(token="t", num_cpus=1, memory=GIB)  # noqa: S106 - no password
    assert await expected_start(spec) is None


async def test_no_answer_is_no_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(*_: str) -> str:
        raise SchedulerUnreachable("no answer")

    monkeypatch.setattr(start_estimate, "run_for_messages", hang)
    with pytest.raises(SchedulerUnreachable):
        await estimate_start(PLAIN)


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ((), ()),
        (("--account=a", "--partition=p", "--qos=q", "--gres=gpu:1"), ()),
        (("--tmp=5G", "--cpus-per-task=4 --nice=7"), ("--tmp=5G", "--nice=7")),
        (("-c 4 --nice=7",), ("--nice=7",)),
        (("-c4 --nice 7",), ("--nice", "7")),
        (("-p short -t30 -A x -q=high -N 2 -n4 --nice=7",), ("--nice=7",)),
        (("--mem-per-cpu=2G --gpus-per-node 4 -G2 -C ib",), ("-C", "ib")),
        (("--time 5 --exclusive --requeue",), ("--requeue",)),
        (("--constraint='amd&ib' --comment='a b'",), ("'--constraint=amd&ib'", "'--comment=a b'")),
    ],
)
def test_options_of_an_earlier_row(options: tuple[str, ...], kept: tuple[str, ...]) -> None:
    assert carried_options(options) == kept


def test_options_that_cannot_be_read() -> None:
    with pytest.raises(InvalidInput, match="cannot be read: No closing quotation"):
        carried_options(("--comment='a",))


@pytest.mark.parametrize(
    ("options", "qos"),
    [
        (("--account=a", "--qos=high"), "high"),
        (("--account=a",), ""),
        (("--exclusive --qos high --mem=0",), "high"),
        (("--qos=low", "--exclusive -q high"), "high"),  # Slurm takes the last
        (("--comment=--qos",), ""),
    ],
)
def test_value_of_an_option(options: tuple[str, ...], qos: str) -> None:
    assert option_value(options, "qos") == qos


@pytest.mark.parametrize(
    ("defaults", "options"),
    [
        (None, ()),
        ({"account": "a", "qos": "q", "cpus_per_task": 4}, ()),
        ({"mail_user": "me", "requeue": True, "hint": None, "nice": 7},
         ("--mail-user=me", "--requeue", "--nice=7")),
        ({"nice": 0, "mem_per_cpu": "2G", "overcommit": False}, ("--nice=0",)),
        ({"constraint": "amd&ib"}, ("--constraint='amd&ib'",)),
    ],
)  # fmt: skip
def test_defaults_of_a_workflow(defaults: object, options: tuple[str, ...]) -> None:
    assert default_options(defaults) == options
