"""What is answered about jobs: how they ended, what they used, what they have written."""

import math
from collections.abc import Mapping
from typing import Any

from torc_watch.app.job_logs import LoggedJob
from torc_watch.assistant.answer_size import name, sentence
from torc_watch.assistant.tool_set import Measurement, Values
from torc_watch.core.listed_job import ListedJob
from torc_watch.core.units import duration_text, rounded_memory

_WHOLE = 100


class JobEntry(Values):
    """``run`` is the run and the attempt in it: 2.1."""

    id: int
    name: str
    status: str
    code: int | None = None
    run: str | None = None
    time: str | None = None
    memory: str | None = None
    node: str | None = None


class JobsAnswer(Values):
    workflow_id: int
    jobs: list[JobEntry]
    total: int
    more: str | None = None
    untrusted_fields: tuple[str, ...] = ("jobs.name",)


class OutputEntry(Values):
    """``begin`` is where the text begins in the file, in bytes."""

    file: str
    kind: str
    size: int
    begin: int | None = None
    untrusted_text: str | None = None
    trouble: str | None = None


class JobOutputAnswer(Values):
    workflow_id: int
    job_id: int
    job_name: str
    status: str
    run: str
    files: list[OutputEntry]
    missing: str | None = None
    looked_in: list[str] | None = None
    more: str | None = None
    untrusted_fields: tuple[str, ...] = ("job_name", "files.untrusted_text")


class UseValues(Values):
    """Memory in bytes, CPUs in percent of one, run time in seconds."""

    requested: Measurement = None
    used: Measurement = None
    over: int | None = None
    enough: Measurement = None
    fit: str


class KindEntry(Values):
    kind: str
    jobs: int
    fails: int
    memory: UseValues | None = None
    cpu: UseValues | None = None
    runtime: UseValues | None = None


class UtilizationAnswer(Values):
    """``jobs_over`` counts measurements above a request."""

    workflow_id: int
    jobs_compared: int
    jobs_over: int
    kinds: list[KindEntry]
    total: int
    more: str | None = None
    untrusted_fields: tuple[str, ...] = ("kinds.kind",)


def job_entry(job: ListedJob) -> JobEntry:
    return JobEntry(
        id=job.id,
        name=name(job.name),
        status=job.status.value,
        code=job.return_code,
        run=None if job.run_id is None else f"{job.run_id}.{job.attempt}",
        time=None if job.seconds is None else duration_text(job.seconds),
        memory=rounded_memory(job.peak_memory) if job.peak_memory else None,
        node=name(job.node) if job.node else None,
    )


def kind_entry(values: Mapping[str, Any]) -> KindEntry:
    return KindEntry(
        kind=name(values["kind"]),
        jobs=values["jobs"],
        fails=values["fails"],
        memory=_use(values.get("memory")),
        cpu=_use(values.get("cpu")),
        runtime=_use(values.get("runtime")),
    )


def _use(values: Mapping[str, Any] | None) -> UseValues | None:
    if values is None:
        return None
    fits = values["fit"] == "enough"
    return UseValues(
        requested=_rounded(values["requested"]),
        used=_rounded(values["used"]),
        over=values["over"] or None,
        enough=None if fits else _rounded(values["enough"]),
        fit=values["fit"],
    )


def _rounded(number: float | None) -> float | None:
    """To three digits, whole from 100 on: more is noise."""
    if number is None or not math.isfinite(number):
        return None
    return round(number) if abs(number) >= _WHOLE else float(f"{number:.3g}")


def job_output_answer(
    found: LoggedJob, files: list[OutputEntry], missing: str | None, more: str | None
) -> JobOutputAnswer:
    return JobOutputAnswer(
        workflow_id=found.workflow.id,
        job_id=found.job.id,
        job_name=name(found.job.name),
        status=found.job.status.value,
        run=f"{found.attempt.run_id}.{found.attempt.attempt}",
        files=files,
        missing=missing and sentence(missing),
        looked_in=[sentence(str(folder)) for folder in found.folders] if missing else None,
        more=more,
    )
