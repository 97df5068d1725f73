"""From a figure of matplotlib to SVG within HTML.

Text stays text, and colors are variables of the page's style sheet, so that a picture follows it
into dark mode. Figures are objects of their own: nothing is shared, and no display is needed.
"""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib.style
from matplotlib import rc_context
from matplotlib.figure import Figure

from torc_watch.render.report_page.markup import Markup, escaped

# Stand-ins that a figure is drawn with, and the variables that take their places.
INK, MUTED, RULE, PAPER = "#010101", "#010102", "#010103", "#010104"
SUCCEEDED, FAILED, RUNNING, WAITING = "#010105", "#010106", "#010107", "#010108"
_VARIABLES = {
    INK: "ink",
    MUTED: "muted",
    RULE: "rule",
    PAPER: "paper",
    SUCCEEDED: "succeeded",
    FAILED: "failed",
    RUNNING: "running",
    WAITING: "waiting",
}
WIDTH = 10.0  # inches, each of 72 units of the picture
_STYLE = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # names of jobs are no formulas
    "font.size": 9,
    "text.color": INK,
    "axes.facecolor": "none",
    "axes.edgecolor": RULE,
    "axes.labelcolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.5,
    "grid.color": RULE,
    "hatch.linewidth": 1.0,
}
_NO_METADATA = {"Creator": None, "Date": None, "Format": None, "Type": None}


@contextmanager
def plain_style() -> Iterator[None]:
    """Whatever the user's own matplotlibrc says."""
    with rc_context(), matplotlib.style.context(["default", _STYLE]):
        yield


def new_figure(height: float) -> Figure:
    """``height`` is in inches."""
    figure = Figure(figsize=(WIDTH, height), dpi=72)
    figure.patch.set_visible(False)
    return figure


def svg(figure: Figure, *, name: str, title: str, description: str) -> Markup:
    """``name`` is one that no other picture of the page has."""
    written = io.StringIO()
    with rc_context({"svg.hashsalt": name}):
        figure.savefig(written, format="svg", metadata=_NO_METADATA)
    text = written.getvalue()
    drawn = text[text.index("<svg") :]
    inside = drawn[drawn.index(">") + 1 : drawn.rindex("</svg>")]
    width, height = figure.get_size_inches() * figure.dpi
    return Markup(
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" '
        f'aria-labelledby="{name}-title" aria-describedby="{name}-description">'
        f'<title id="{name}-title">{escaped(title)}</title>'
        f'<desc id="{name}-description">{escaped(description)}</desc>{_slim(inside)}</svg>'
    )


def _slim(inside: str) -> str:
    """Without what a page does not need: IDs of groups, fonts, comments, breaks of lines."""
    text = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", inside, flags=re.DOTALL)
    text = re.sub(r"<[^>]*>", _slim_tag, text)
    return re.sub(r"\s*\n\s*", " ", text)


def _slim_tag(tag: re.Match[str]) -> str:
    """What is between tags are names, which stay as they are."""
    text = re.sub(r'<(g|svg) id="[^"]*"', r"<\1", tag[0])
    text = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", text)
    for stand_in, variable in _VARIABLES.items():
        text = text.replace(stand_in, f"var(--{variable})")
    return text
