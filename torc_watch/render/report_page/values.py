"""The same as the page, for scripts: memory in bytes, durations in seconds, times in UTC."""

from dataclasses import asdict
from typing import Any

from torc_watch.core.report import WorkflowOnServer, WorkflowReport
from torc_watch.core.run_summary import RunSummary
from torc_watch.core.timeline import AttemptState, NodeLane, Timeline
from torc_watch.render.history_text import history_values
from torc_watch.render.plan_text import plan_values
from torc_watch.render.report_page.advice import advice
from torc_watch.render.report_page.summary import sentences, standing
from torc_watch.render.suspect_text import suspect_values
from torc_watch.render.utilization_values import kind_values
from torc_watch.render.why_text import why_values


def report_values(report: WorkflowReport) -> dict[str, Any]:
    return {
        "workflow_id": report.key.workflow_id,
        "server": report.key.server,
        "made": report.made.isoformat(),
        "troubles": list(report.troubles),
        "standing": standing(report).name.lower(),
        "summary": list(sentences(report)),
        "next": _next_values(report),
        "server_knows": None if report.known is None else _known_values(report, report.known),
        "watches": history_values(report.watches),
    }


def _next_values(report: WorkflowReport) -> dict[str, Any]:
    given = advice(report)
    return {
        "says": given.says,
        "commands": [step.command for step in given.steps if step.command],
    }


def _known_values(report: WorkflowReport, known: WorkflowOnServer) -> dict[str, Any]:
    number = report.key.workflow_id
    planned = plan_values(number, known.answer, known.notes)
    return {
        "name": known.workflow.name,
        "user": known.workflow.user,
        "run_id": known.workflow.run_id,
        "counts": {status.value: jobs for status, jobs in known.counts.by_status.items()},
        "failures": why_values(number, known.failures, errors=known.errors)["failures"],
        "suspects": suspect_values(known.suspects),
        **{name: planned[name] for name in ("plan", "refusal", "postponement", "notes")},
        "open_allocations": known.open_allocations,
        "runs": list(map(_run_values, known.runs)),
        "nodes": list(map(_lane_values, known.timeline.lanes)),
        "time": _time_values(known.timeline),
        "kinds": [kind_values(kind) for kind in known.utilization.kinds],
        "node_hours": {**asdict(known.node_hours), "total": known.node_hours.total},
    }


def _run_values(run: RunSummary) -> dict[str, Any]:
    times = {"began": run.began.isoformat(), "ended": run.ended.isoformat()}
    return {"run_id": run.run_id, "succeeded": run.succeeded, "failed": run.failed, **times}


def _lane_values(lane: NodeLane) -> dict[str, Any]:
    return {
        "node": lane.node or None,
        "workers": [
            {
                "allocation": worker.allocation,
                "began": worker.began.isoformat(),
                "ended": None if worker.is_alive else worker.ended.isoformat(),
            }
            for worker in lane.workers
        ],
        **{state.value: lane.count(state) for state in AttemptState},
    }


def _time_values(timeline: Timeline) -> dict[str, Any]:
    began, ended = timeline.bounds or (None, None)
    return {
        "began": began and began.isoformat(),
        "ended": ended and ended.isoformat(),
        "without_workers": timeline.without_workers,
        "undated": timeline.undated,
    }
