"""How much of their memory and run time kinds of jobs used."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from torc_watch.core.use_spread import UseSpread
from torc_watch.core.utilization import KindOfJobs, ResourceKind
from torc_watch.render.report_page import svg
from torc_watch.render.report_page.markup import Markup
from torc_watch.render.report_page.use_section import requested_text, used_text
from torc_watch.render.report_page.words import count
from torc_watch.render.terminal_text import printable

_MOST_KINDS = 16
_LONGEST_NAME = 24
_KIND_INCHES = 0.3
_END = 2.0  # of the axis, as a share of the request
_TITLES = {
    ResourceKind.MEMORY: "Memory used, in percent of the request",
    ResourceKind.RUNTIME: "Run time used, in percent of the request",
}
_PANELS = {ResourceKind.MEMORY: 0.2, ResourceKind.RUNTIME: 0.63}  # left edges


def use_picture(spreads: Mapping[ResourceKind, Sequence[UseSpread]]) -> Markup | None:
    kinds = _rows(spreads)
    if not kinds:
        return None
    with svg.plain_style():
        figure = svg.new_figure(0.85 + _KIND_INCHES * len(kinds))
        height = figure.get_figheight()
        for resource, left in _PANELS.items():
            axes = figure.add_axes((left, 0.34 / height, 0.24, 1 - 0.72 / height))
            _draw(axes, resource, spreads.get(resource, ()), kinds)
            if resource is ResourceKind.RUNTIME:
                axes.set_yticklabels([])
        return svg.svg(
            figure,
            name="use-picture",
            title="Memory and run time used, by kind of job",
            description=(
                f"For {count(len(kinds), 'kind')} of jobs, the shares of the requested memory and "
                "run time that they used. The table below has the same by kind."
            ),
        )


def _rows(spreads: Mapping[ResourceKind, Sequence[UseSpread]]) -> list[KindOfJobs]:
    """The kinds of both panels, those with the most jobs first."""
    every = (spread.kind for resource in _PANELS for spread in spreads.get(resource, ()))
    kinds = {_key(kind): kind for kind in every}
    return sorted(kinds.values(), key=lambda kind: -kind.jobs)[:_MOST_KINDS]


def _key(kind: KindOfJobs) -> tuple[str, int]:
    """Jobs of one name may have different requirements."""
    return kind.name, kind.requirements.id


def _draw(
    axes: Axes,
    resource: ResourceKind,
    spreads: Sequence[UseSpread],
    kinds: Sequence[KindOfJobs],
) -> None:
    by_kind = {_key(spread.kind): spread for spread in spreads}
    axes.axvspan(1.0, _END, color=svg.RULE, alpha=0.45, linewidth=0)
    axes.axvline(1.0, color=svg.INK, linewidth=1.0)
    for row, kind in enumerate(kinds):
        if spread := by_kind.get(_key(kind)):
            _draw_spread(axes, spread, -row)
        text = _amounts(spread) if spread else "not measured"
        axes.text(
            1.02,
            -row,
            text,
            transform=axes.get_yaxis_transform(),
            va="center",
            fontsize=8,
            color=svg.MUTED,
        )
    _set_axes(axes, resource, kinds)


def _draw_spread(axes: Axes, spread: UseSpread, row: float) -> None:
    """A thin line from the least to the most, a thick one for half of the jobs, a mark at the most.

    What is beyond the axis ends at its edge, with an arrow.
    """
    least, lower, upper, most = (
        min(share, _END) for share in (spread.least, spread.lower, spread.upper, spread.most)
    )
    is_above = spread.most > 1
    color = svg.FAILED if is_above else svg.SUCCEEDED
    axes.plot([least, most], [row, row], color=svg.WAITING, linewidth=1.2, solid_capstyle="butt")
    axes.plot([lower, upper], [row, row], color=svg.WAITING, linewidth=5, solid_capstyle="butt")
    marker = ">" if spread.most > _END else "D" if is_above else "o"
    axes.plot([most], [row], marker=marker, color=color, markersize=6, clip_on=False)


def _amounts(spread: UseSpread) -> str:
    return f"{used_text(spread.use)} of {requested_text(spread.use)}"


def _set_axes(axes: Axes, resource: ResourceKind, kinds: Sequence[KindOfJobs]) -> None:
    axes.set_xlim(0, _END)
    axes.set_ylim(0.6 - len(kinds), 0.6)
    axes.set_title(_TITLES[resource], loc="left", fontsize=9, color=svg.INK)
    axes.set_xticks([0, 0.5, 1.0, 1.5, 2.0], ["0", "50", "100", "150", "200%"])
    axes.set_yticks([-row for row in range(len(kinds))])
    axes.set_yticklabels(
        [f"{printable(kind.name, _LONGEST_NAME)} ({kind.jobs:,})" for kind in kinds]
    )
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)
