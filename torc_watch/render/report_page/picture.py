"""Pictures of a report: matplotlib draws them, and is an extra that may not be there."""

from collections.abc import Sequence
from dataclasses import dataclass

from torc_watch.core.missing_extra import missing_extra
from torc_watch.core.report import WorkflowReport
from torc_watch.core.timeline import AttemptState
from torc_watch.render.report_page.markup import Markup, element

_Legend = Sequence[tuple[str, str]]  # class of the swatch, and what it stands for
_WAITING = ("waiting", "worker without a job")
_STATES = {
    AttemptState.SUCCEEDED: ("succeeded", "succeeded"),
    AttemptState.FAILED: ("failed", "failed"),
    AttemptState.RUNNING: ("running", "runs now"),
}
_SPREAD: _Legend = (
    ("range", "least to most"),
    ("half", "half of the jobs"),
    ("within", "most, within the request"),
    ("above", "most, above the request"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """Each with its legend, or none where there is nothing to draw; ``missing`` says why not."""

    timeline: tuple[Markup, ...] = ()
    use: tuple[Markup, ...] = ()
    hours: tuple[Markup, ...] = ()
    missing: str = ""


def draw(report: WorkflowReport) -> Pictures:
    known = report.known
    if known is None:
        return Pictures()
    try:
        from torc_watch.render.report_page import drawings  # noqa: PLC0415 - needs an extra
    except ImportError:
        return Pictures(missing=f"This report has no pictures: {missing_extra('report')}")
    seen = {attempt.state for attempt in known.timeline.attempts}
    states = [*(key for state, key in _STATES.items() if state in seen), _WAITING]
    return Pictures(
        timeline=_figure(
            drawings.timeline_picture(known.timeline, report.rounds),
            states,
            drawings.timeline_note(known.timeline),
        ),
        use=_figure(drawings.use_picture(known.spreads), _SPREAD),
        hours=_figure(drawings.hours_picture(known.node_hours), states),
    )


def _figure(picture: Markup | None, legend: _Legend, note: str = "") -> tuple[Markup, ...]:
    if picture is None:
        return ()
    keys = [
        element("li", element("i", class_=f"swatch {swatch}", aria_hidden="true"), text)
        for swatch, text in legend
    ]
    caption = element(
        "figcaption",
        element("ul", *keys, class_="legend"),
        element("p", note) if note else None,
    )
    return (element("figure", picture, caption, class_="picture"),)
