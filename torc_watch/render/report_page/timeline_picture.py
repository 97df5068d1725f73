"""The timeline: a lane for each node, with its workers behind and the attempts of jobs before."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from heapq import heappop, heappush

from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from torc_watch.core.past_watch import PastRound
from torc_watch.core.timeline import AttemptSpan, AttemptState, NodeLane, Timeline
from torc_watch.render.report_page import svg
from torc_watch.render.report_page.markup import Markup
from torc_watch.render.report_page.repairs import numbered
from torc_watch.render.report_page.words import clock, count
from torc_watch.render.terminal_text import printable

_MOST_LANES = 24
_MOST_BARS = 1500  # of all lanes; more are drawn as how many ran at a time
_BINS = 240  # of the whole time
_MOST_ROUNDS = 20
_TOTAL_INCHES, _LEAST_INCHES, _MOST_INCHES = 2.6, 0.34, 0.9  # of all lanes, of one
_HEIGHT = 0.78  # of a lane
_LONGEST_NAME = 22
# What the ticks leave out, by their unit: years, months, days, hours, minutes, seconds.
_OFFSETS = ("", "%Y", "%Y-%m", "%Y-%m-%d", "%Y-%m-%d", "%Y-%m-%d %H:%M")
_LAYERS = (
    (AttemptState.SUCCEEDED, svg.SUCCEEDED, None),
    (AttemptState.RUNNING, svg.RUNNING, None),
    (AttemptState.FAILED, svg.FAILED, "////"),
)
_Rectangle = tuple[float, float, float, float]  # left, right, bottom, top


def timeline_picture(timeline: Timeline, rounds: Iterable[PastRound]) -> Markup | None:
    if timeline.bounds is None:
        return None
    lanes = _chosen(timeline.lanes)
    lane_inches = min(_MOST_INCHES, max(_LEAST_INCHES, _TOTAL_INCHES / len(lanes)))
    with svg.plain_style():
        figure = svg.new_figure(0.75 + lane_inches * len(lanes))
        height = figure.get_figheight()
        axes = figure.add_axes((0.17, 0.42 / height, 0.7, 1 - 0.64 / height))
        _draw_lanes(axes, lanes, timeline.bounds)
        _draw_rounds(axes, rounds, timeline.bounds)
        _set_axes(axes, lanes, timeline.bounds)
        return svg.svg(
            figure,
            name="timeline-picture",
            title="Timeline of jobs by node",
            description=_description(timeline, lanes),
        )


def timeline_note(timeline: Timeline) -> str:
    """How the picture is to be read where it cannot show all."""
    lanes = _chosen(timeline.lanes)
    texts = []
    if not _has_bars(lanes):
        texts.append("The height of a lane is how many jobs ran at a time.")
    if (more := len(timeline.lanes) - len(lanes)) > 0:
        texts.append(
            f"{count(more, 'node')} with fewer attempts {'is' if more == 1 else 'are'} left out."
        )
    return " ".join(texts)


def _has_bars(lanes: Sequence[NodeLane]) -> bool:
    """Whether there is room for each attempt."""
    return sum(len(lane.attempts) for lane in lanes) <= _MOST_BARS


def _chosen(lanes: Sequence[NodeLane]) -> list[NodeLane]:
    """In their order; of many nodes those with the most attempts."""
    busiest = sorted(lanes, key=lambda lane: -len(lane.attempts))[:_MOST_LANES]
    kept = {lane.node for lane in busiest}
    return [lane for lane in lanes if lane.node in kept]


def _description(timeline: Timeline, lanes: Sequence[NodeLane]) -> str:
    assert timeline.bounds is not None  # noqa: S101 - it is drawn
    began, ended = timeline.bounds
    failed = sum(each.state is AttemptState.FAILED for each in timeline.attempts)
    nodes = count(len(timeline.lanes), "node")
    shown = f"; {len(lanes)} of {nodes} are shown" if len(lanes) < len(timeline.lanes) else ""
    return (
        f"From {clock(began)} to {clock(ended)}: {count(len(timeline.attempts), 'attempt')} on "
        f"{nodes}, of which {failed:,} failed{shown}. The table below has the same by node."
    )


def _draw_lanes(axes: Axes, lanes: Sequence[NodeLane], bounds: tuple[datetime, datetime]) -> None:
    has_bars = _has_bars(lanes)
    drawn: dict[AttemptState, list[_Rectangle]] = defaultdict(list)
    behind: list[_Rectangle] = []
    for row, lane in enumerate(lanes):
        bottom = -row - _HEIGHT / 2
        behind += [
            (_number(worker.began), _number(worker.ended), bottom, bottom + _HEIGHT)
            for worker in lane.workers
        ]
        rectangles = _bars(lane, bottom) if has_bars else _areas(lane, bottom, bounds)
        for state, rectangle in rectangles:
            drawn[state].append(rectangle)
    _add(axes, behind, svg.WAITING, None, alpha=0.35)
    for state, color, hatch in _LAYERS:
        _add(axes, drawn[state], color, hatch, edge=0.4 if has_bars else 0.0)


def _bars(lane: NodeLane, bottom: float) -> Iterable[tuple[AttemptState, _Rectangle]]:
    """Each attempt in the lowest place that is free at its start."""
    free: list[int] = []
    busy: list[tuple[datetime, int]] = []
    places: list[tuple[AttemptSpan, int]] = []
    number = 0
    for attempt in lane.attempts:
        while busy and busy[0][0] <= attempt.began:
            heappush(free, heappop(busy)[1])
        if not free:
            heappush(free, number)
            number += 1
        place = heappop(free)
        heappush(busy, (attempt.ended, place))
        places.append((attempt, place))
    for attempt, place in places:
        low = bottom + place * _HEIGHT / number
        left, right = _number(attempt.began), _number(attempt.ended)
        yield attempt.state, (left, right, low, low + _HEIGHT / number)


def _areas(
    lane: NodeLane, bottom: float, bounds: tuple[datetime, datetime]
) -> Iterable[tuple[AttemptState, _Rectangle]]:
    """How many ran in each part of the time, by state; the most of the lane fill its height."""
    first, last = map(_number, bounds)
    width = (last - first) / _BINS or 1.0
    ran = {state: _occupied(lane, state, first, width) for state, _, _ in _LAYERS}
    most = max(sum(of_state[part] for of_state in ran.values()) for part in range(_BINS)) or 1.0
    for part in range(_BINS):
        low = bottom
        for state, of_state in ran.items():
            if of_state[part]:
                high = low + _HEIGHT * of_state[part] / most
                left = first + part * width
                yield state, (left, left + width, low, high)
                low = high


def _occupied(lane: NodeLane, state: AttemptState, first: float, width: float) -> list[float]:
    """How many attempts ran in each part, on average."""
    parts = [0.0] * _BINS
    for attempt in lane.attempts:
        if attempt.state is state:
            left = (_number(attempt.began) - first) / width
            right = (_number(attempt.ended) - first) / width
            for part in range(int(left), min(_BINS, int(right) + 1)):
                parts[part] += max(0.0, min(right, part + 1) - max(left, part))
    return parts


def _add(
    axes: Axes,
    rectangles: Sequence[_Rectangle],
    color: str,
    hatch: str | None,
    *,
    alpha: float | None = None,
    edge: float = 0.0,
) -> None:
    """All of one color as one path, which keeps the file small."""
    if not rectangles:
        return
    corners = [
        corner
        for left, right, low, high in rectangles
        for corner in ((left, low), (right, low), (right, high), (left, high), (left, low))
    ]
    one = (Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY)
    path = Path(corners, [code for _ in rectangles for code in one])
    patch = PathPatch(path, facecolor=color, edgecolor=svg.PAPER, linewidth=edge, alpha=alpha)
    if hatch:
        patch.set_hatch(hatch)
    axes.add_patch(patch)


def _draw_rounds(
    axes: Axes, rounds: Iterable[PastRound], bounds: tuple[datetime, datetime]
) -> None:
    for number, each in list(numbered(rounds))[:_MOST_ROUNDS]:
        began = datetime.fromisoformat(each.began)
        if bounds[0] <= began <= bounds[1]:
            at = _number(began)
            axes.axvline(at, color=svg.INK, linewidth=0.8, linestyle=(0, (3, 2)))
            axes.text(at, 0.62, f"round {number}", ha="center", va="bottom", fontsize=8)


def _set_axes(axes: Axes, lanes: Sequence[NodeLane], bounds: tuple[datetime, datetime]) -> None:
    first, last = map(_number, bounds)
    last = max(last, first + 1 / 86_400)
    axes.set_xlim(first, last)
    axes.set_ylim(0.6 - len(lanes), 0.6)
    axes.set_yticks([-row for row in range(len(lanes))])
    axes.set_yticklabels([printable(lane.node, _LONGEST_NAME) or "not known" for lane in lanes])
    axes.tick_params(axis="y", length=0)
    zone = bounds[0].astimezone().tzinfo
    locator = AutoDateLocator(tz=zone, minticks=3, maxticks=8)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    formatter = ConciseDateFormatter(  # type: ignore[no-untyped-call]
        locator, tz=zone, offset_formats=_OFFSETS
    )
    axes.xaxis.set_major_formatter(formatter)
    axes.grid(axis="x", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)
    for row, lane in enumerate(lanes):
        axes.text(
            1.01,
            -row,
            _counts(lane),
            transform=axes.get_yaxis_transform(),
            va="center",
            fontsize=8.5,
            color=svg.MUTED,
        )


def _counts(lane: NodeLane) -> str:
    failed = lane.count(AttemptState.FAILED)
    return f"{len(lane.attempts):,}{f', {failed:,} failed' if failed else ''}"


def _number(time: datetime) -> float:
    """In days, as matplotlib counts."""
    return time.timestamp() / 86_400
