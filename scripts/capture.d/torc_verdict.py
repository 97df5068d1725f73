"""What `torc recover --dry-run` makes of a workflow: causes of failed jobs, and what it raises.

Torc frees what an ended allocation left running before it recovers, which a dry run does not do.
"""

import json
from typing import Any

from tests.rigs.torc_on_slurm import Row, TorcOnSlurm

_LAST_LINES = 3  # of an error


def torc_verdict(torc: TorcOnSlurm, workflow_id: int) -> Row:
    """The verdicts by job name. Changes the rows of jobs that are orphans: record them before."""
    torc.try_torc("workflows", "sync-status", workflow_id)
    place = ("--output-dir", str(torc.output_folder))
    words = ("recover", workflow_id, "--dry-run", "--no-prompts", "--retry-unknown", *place)
    done = torc.try_torc("-f", "json", *words)
    try:
        report = json.loads(done.stdout)
    except ValueError:
        report = {}
    if "result" not in report:
        error = (done.stdout + done.stderr).strip().splitlines()
        text = " / ".join(error[-_LAST_LINES:])
        return {"causes": {}, "raises": {}, "retried": [], "error": text}
    return {"causes": _causes(report), "raises": _raises(report), "retried": _retried(torc, report)}


def _causes(report: Row) -> dict[str, str]:
    found = (report.get("diagnosis") or {}).get("resource_violations", ())
    return {row["job_name"]: _cause(row) for row in found if row["return_code"]}


def _cause(row: Row) -> str:
    if row.get("memory_violation"):
        return "oom"
    return "timeout" if row.get("likely_timeout") else "unknown"


def _raises(report: Row) -> dict[str, list[str]]:
    raises: dict[str, list[str]] = {}
    for row in report["result"].get("adjustments", ()):
        for kind in ("memory", "runtime"):
            if row[f"{kind}_adjusted"] and row["direction"] == "upscale":
                for name in row["job_names"]:
                    raises.setdefault(name, []).append(kind)
    return raises


def _retried(torc: TorcOnSlurm, report: Row) -> list[str]:
    names: dict[Any, str] = {
        row["id"]: name for name, row in torc.jobs(report["workflow_id"]).items()
    }
    return sorted(names[each] for each in report["result"]["jobs_to_retry"])
