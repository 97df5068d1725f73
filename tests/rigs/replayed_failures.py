"""Recorded failures, diagnosed and planned by our own code.

The server is replaced below the HTTP client, Slurm below its commands: any row that was recorded is
served to any request, and any column to any format.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import httpx

from tests.rigs.recorded_failures import OWNER, Recording, Row, recorded_cluster
from torc_watch.core.cause import Cause
from torc_watch.core.findings import Finding
from torc_watch.core.recovery_round import (
    PastRounds,
    Plan,
    Postponement,
    RecoverySettings,
    Refusal,
    RoundOutcome,
)
from torc_watch.engine.failure_search import FailureSearch
from torc_watch.engine.job_outputs import JobOutputs
from torc_watch.engine.messages import Diagnosis
from torc_watch.engine.planner import History, Timing, make_plan
from torc_watch.engine.suspect_search import SuspectSearch
from torc_watch.engine.workers import observe
from torc_watch.failures.rule_file import own_rules
from torc_watch.host.subprocesses import CommandResult
from torc_watch.schedulers.cluster import Cluster
from torc_watch.schedulers.local.this_machine import ThisMachine
from torc_watch.schedulers.slurm import slurm_commands
from torc_watch.schedulers.slurm.job_script import RunnerSettings
from torc_watch.schedulers.slurm.slurm_scheduler import SlurmScheduler
from torc_watch.torc.client import TorcClient
from torc_watch.torc.transport import API_PATH, Connection, Transport

_URL = "http://recorded:8080"
_NOT_FILTERS = ("limit", "offset", "sort_by", "reverse_sort", "all_runs")
_BEFORE_ALL = datetime(2020, 1, 1, tzinfo=UTC)  # when the watch began


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """A round of recovery: why jobs failed, and what is done about it."""

    findings: Sequence[Finding]
    answer: Plan | Refusal | Postponement


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What a watch makes of a workflow whose jobs fail in the same way whenever they run again."""

    rounds: Sequence[Round]
    suspects: Mapping[str, str]  # the reason by the name of the job that completed

    @property
    def causes(self) -> Mapping[str, str]:
        """By the job's name."""
        found = {each.job.name: each.cause.value for each in self.rounds[0].findings}
        return {**dict.fromkeys(self.suspects, Cause.SUSPECT.value), **found}

    @property
    def reasons(self) -> Mapping[str, str]:
        return {**self.suspects, **{each.job.name: each.reason for each in self.rounds[0].findings}}

    @property
    def retries(self) -> Counter[str]:
        """How often each job runs again, by its name."""
        plans = (each.answer for each in self.rounds if isinstance(each.answer, Plan))
        return Counter(retry.job_name for plan in plans for retry in plan.retries)

    def raises(self, kind: str) -> set[str]:
        """The names of jobs that get more ``memory`` or ``runtime``."""
        plans = (each.answer for each in self.rounds if isinstance(each.answer, Plan))
        return {
            retry.job_name
            for plan in plans
            for retry in plan.retries
            if getattr(retry, kind) is not None
        }


class RecordedServer:
    """Answers reads of one workflow."""

    def __init__(self, recording: Recording) -> None:
        self._rows = recording.rows
        self._workflow_id = recording.workflow_id

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.method == "GET", "a diagnosis only reads"
        words = request.url.path.removeprefix(API_PATH).strip("/").split("/")
        filters = dict(request.url.params)
        return httpx.Response(200, json=self._answer(words, filters))

    def _answer(self, words: Sequence[str], filters: Mapping[str, str]) -> Any:
        match words:
            case ["version"]:
                return self._rows["version"]
            case ["workflows", _]:
                return self._rows["workflow"]
            case ["workflows", _, what]:
                return self._rows[what]
            case [kind, number]:
                return next(row for row in self._rows[kind] if row["id"] == int(number))
            case [kind]:
                return _page(list(self._chosen(kind, filters)))
            case _:
                raise KeyError(words)

    def _chosen(self, kind: str, filters: Mapping[str, str]) -> Iterator[Row]:
        rows = self._rows[kind]
        if kind == "results" and filters.get("all_runs") != "true":
            last = {row["job_id"]: row["id"] for row in sorted(rows, key=_run_of)}
            rows = [row for row in rows if last[row["job_id"]] == row["id"]]
        for row in rows:
            if all(self._matches(row, name, wanted) for name, wanted in filters.items()):
                yield row

    def _matches(self, row: Row, name: str, wanted: str) -> bool:
        if name in _NOT_FILTERS or name.startswith("include_"):
            return True
        if name == "active_compute_node_id":
            return row["id"] in self._rows["active_jobs"][wanted]
        return str(row[name]) == wanted


class RecordedSlurm:
    """Answers queries: squeue with what it had when the workflow was at rest."""

    def __init__(self, recording: Recording, shown: Mapping[str, str]) -> None:
        self._tables = recording.slurm
        self._shown = shown

    async def __call__(self, command: tuple[str, ...], _limit: float) -> CommandResult:
        answers: Mapping[str, Callable[[tuple[str, ...]], str]] = {
            "sacct": self._accounting,
            "squeue": self._queue,
            "scontrol": lambda words: self._shown[words[-1]],
            "sinfo": lambda _: "NODELIST|STATE",  # no node answers that should not
        }
        return CommandResult(status=0, stdout=answers[command[0]](command).strip())

    def _accounting(self, command: tuple[str, ...]) -> str:
        wanted = _option(command, "--format").split(",")
        lines = [line.split("|") for line in self._tables["sacct"].splitlines()]
        places = [lines[0].index(name) for name in wanted]
        rows = [[_owned(fields[place]) for place in places] for fields in lines[1:]]
        if "UID" in wanted:
            for row in rows:
                row[wanted.index("UID")] = str(os.getuid())
        return "\n".join("|".join(row) for row in (wanted, *rows))

    def _queue(self, command: tuple[str, ...]) -> str:
        columns = [
            _column(field, self._tables) for field in _option(command, "--format").split("|")
        ]
        heading = "|".join(name for name, _ in columns)
        rows = zip(*(values for _, values in columns), strict=True)
        return "\n".join([heading, *("|".join(row) for row in rows)])


_QUEUED = {"A": "JOBID", "T": "STATE", "U": "UID", "S": "START_TIME", "e": "END_TIME"} | {
    "N": "NODELIST",
    "r": "REASON",
    "j": "NAME",
}


def _column(field: str, tables: Mapping[str, Any]) -> tuple[str, list[str]]:
    """``%20j`` is a name in 20 places."""
    name, width = _QUEUED[field[-1]], field[1:-1]
    values = tables["squeue"][name] if tables["squeue"] else []
    if name == "UID":
        values = [str(os.getuid())] * len(values)
    if not width:
        return name, list(values)
    return name, [value[: int(width)].ljust(int(width)) for value in values]


def _owned(text: str) -> str:
    return text.replace(OWNER, str(os.getuid()))


def _option(command: Sequence[str], name: str) -> str:
    return next(word.partition("=")[2] for word in command if word.startswith(f"{name}="))


def _page(rows: Sequence[Row]) -> Row:
    return {"items": rows, "has_more": False, "total_count": len(rows)}


def _run_of(row: Row) -> tuple[int, int]:
    return row["run_id"], row["attempt_id"]


def write_output(recording: Recording, folder: Path) -> None:
    """The files that the workflow left in its output folder, as old as they were."""
    now = datetime.now(UTC).timestamp()
    for name, file in recording.output.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file["text"].encode("utf-8", "surrogateescape"))
        os.utime(path, (now - file["age"],) * 2)


@contextmanager
def recorded_slurm(recording: Recording) -> Iterator[None]:
    """In place of all commands of Slurm."""
    answer = RecordedSlurm(recording, recorded_cluster())
    with mock.patch.object(slurm_commands, "_run", answer):
        yield


async def _perform_at_once(work: Callable[[], None]) -> None:
    work()


class Replayer:
    """Diagnoses one recording, whose files are in ``folder``, any number of times."""

    outputs = JobOutputs(own_rules, _perform_at_once)  # its rules are compiled once

    def __init__(self, recording: Recording, folder: Path) -> None:
        self._recording = recording
        self._folder = folder

    async def diagnose(self) -> Diagnosis:
        async with self._client() as transport:
            client = await TorcClient.connect(transport)
            diagnosis, _ = await self._diagnose(client, self._cluster())
            return diagnosis

    async def replay(self, settings: RecoverySettings | None = None) -> Replay:
        """Rounds until there is none, with the same failures in each."""
        chosen = settings or RecoverySettings()
        rounds: list[Round] = []
        past = PastRounds(began=_BEFORE_ALL)
        async with self._client() as transport:
            client, cluster = await TorcClient.connect(transport), self._cluster()
            diagnosis, workflow = await self._diagnose(client, cluster)
            plan = partial(
                make_plan,
                client,
                cluster,
                workflow=workflow,
                diagnosis=diagnosis,
                timing=Timing(now=datetime.now(UTC)),  # nothing waits
            )
            while not rounds or isinstance(rounds[-1].answer, Plan):
                answer = await plan(history=History(past=past), settings=chosen)
                rounds.append(Round(findings=diagnosis.findings, answer=answer))
                if isinstance(answer, Plan):
                    past = past.after(RoundOutcome.RESUBMITTED, answer)
        suspects = {each.job.name: each.reason for each in diagnosis.suspects}
        return Replay(rounds=rounds, suspects=suspects)

    def _client(self) -> Transport:
        transport = httpx.MockTransport(RecordedServer(self._recording))
        return Transport(Connection(url=_URL), http=transport)

    def _cluster(self) -> Cluster:
        scheduler = SlurmScheduler(self._folder / "slurm-jobs", RunnerSettings(command=("runner",)))
        return Cluster.of(scheduler, machine=ThisMachine())

    async def _diagnose(self, client: TorcClient, cluster: Cluster) -> tuple[Diagnosis, Any]:
        observation = await observe(
            client,
            cluster,
            self._recording.workflow_id,
            with_counts=True,
            max_age=0,
            silent_nodes_are_off=True,
        )
        assert observation.counts is not None
        search = FailureSearch(client, cluster, self.outputs)
        found = await search.diagnose(observation, observation.counts, self._folder)
        suspects = SuspectSearch(client, cluster, self.outputs)
        found, _ = await suspects.with_suspects(found, observation.workflow, self._folder)
        return found, observation.workflow
