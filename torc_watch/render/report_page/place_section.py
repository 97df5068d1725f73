"""When and where jobs ran, and what that cost."""

from collections.abc import Iterator

from torc_watch.core.node_hour_split import NodeHourSplit
from torc_watch.core.report import WorkflowOnServer
from torc_watch.core.run_summary import RunSummary
from torc_watch.core.timeline import AttemptState, NodeLane
from torc_watch.render.report_page.markup import Child, Markup, Table, element, table
from torc_watch.render.report_page.words import count, duration, hours, moment, percent

_MOST_NODES = 60
_MOST_NUMBERS = 6  # of allocations, in a cell


def timeline_section(known: WorkflowOnServer) -> Iterator[Markup]:
    timeline = known.timeline
    if not timeline.lanes:
        yield element("p", "No worker has been there, and no job has run yet.")
        return
    yield table(
        Table(
            caption="Runs of the workflow, with the attempts that ended in them",
            head=("Run", "First start", "Last end", "Took", "Succeeded", "Failed"),
            rows=[_run(each) for each in known.runs],
            numbers=(3, 4, 5),
            noun="run",
        )
    )
    yield table(
        Table(
            caption="Nodes, with the attempts of jobs on them",
            head=("Node", "Allocations", "From", "To", "Succeeded", "Failed", "Running"),
            rows=[_lane(lane) for lane in timeline.lanes],
            numbers=(4, 5, 6),
            most=_MOST_NODES,
            noun="node",
        )
    )
    if timeline.undated:
        text = f"{count(timeline.undated, 'attempt')} without a time on the server: not shown."
        yield element("p", text)


def _lane(lane: NodeLane) -> tuple[Child, ...]:
    began = [each.began for each in lane.workers] + [each.began for each in lane.attempts]
    ended = [each.ended for each in lane.workers] + [each.ended for each in lane.attempts]
    is_alive = any(worker.is_alive for worker in lane.workers)
    return (
        lane.node or "not known",
        _allocations(lane.allocations),
        moment(min(began)),
        "still there" if is_alive else moment(max(ended)),
        *(f"{lane.count(state):,}" for state in AttemptState),
    )


def _run(run: RunSummary) -> tuple[Child, ...]:
    return (
        str(run.run_id),
        moment(run.began),
        moment(run.ended),
        duration((run.ended - run.began).total_seconds()),
        f"{run.succeeded:,}",
        f"{run.failed:,}",
    )


def _allocations(numbers: tuple[int, ...]) -> str:
    shown = ", ".join(map(str, numbers[:_MOST_NUMBERS]))
    more = len(numbers) - _MOST_NUMBERS
    return f"{shown} and {more} more" if more > 0 else shown or "none"


def hours_section(known: WorkflowOnServer) -> Iterator[Markup]:
    split = known.node_hours
    if not split.total:
        yield element("p", "No worker has been there: no node hours.")
        return
    rows = [
        (name, hours(part), percent(part, split.total)) for name, part in hours_parts(split) if part
    ]
    yield table(
        Table(
            caption="Node hours, by what became of the jobs",
            head=("Spent on", "Node hours", "Share"),
            rows=[*rows, (element("strong", "in all"), hours(split.total), "100%")],
            numbers=(1, 2),
        )
    )
    if not split.of_slurm:
        text = "These workers were not of Slurm: no account was charged, as far as is known here."
        yield element("p", text)


def hours_parts(split: NodeHourSplit) -> tuple[tuple[str, float], ...]:
    return (
        ("attempts that succeeded", split.succeeded),
        ("attempts that failed", split.failed),
        ("attempts that run now", split.running),
        ("waiting: no job ran", split.waiting),
    )
