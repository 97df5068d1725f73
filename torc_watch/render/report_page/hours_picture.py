"""What node hours were spent on, as one bar."""

from torc_watch.core.node_hour_split import NodeHourSplit
from torc_watch.render.report_page import svg
from torc_watch.render.report_page.markup import Markup
from torc_watch.render.report_page.place_section import hours_parts
from torc_watch.render.report_page.words import hours, percent

_COLORS = (svg.SUCCEEDED, svg.FAILED, svg.RUNNING, svg.WAITING)
_HATCHES = (None, "////", None, None)
_ALPHAS = (None, None, None, 0.35)
_WIDE_ENOUGH = 0.09  # of the bar, for a number below it


def hours_picture(split: NodeHourSplit) -> Markup | None:
    if not split.total:
        return None
    parts = hours_parts(split)
    with svg.plain_style():
        figure = svg.new_figure(0.62)
        axes = figure.add_axes((0.0, 0.35, 1.0, 0.65))
        axes.set_axis_off()
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        left = 0.0
        for (_, part), color, hatch, alpha in zip(parts, _COLORS, _HATCHES, _ALPHAS, strict=True):
            share = part / split.total
            bars = axes.barh(
                0.5, share, left=left, height=1.0, color=color, edgecolor=svg.PAPER, linewidth=1
            )
            for bar in bars:
                bar.set_hatch(hatch)
                bar.set_alpha(alpha)
            if share >= _WIDE_ENOUGH:
                text = f"{hours(part)} ({percent(part, split.total)})"
                axes.text(left, -0.12, text, ha="left", va="top", fontsize=9)
            left += share
        return svg.svg(
            figure,
            name="hours-picture",
            title="Node hours, by what became of the jobs",
            description="; ".join(f"{name}: {hours(part)} node hours" for name, part in parts),
        )
