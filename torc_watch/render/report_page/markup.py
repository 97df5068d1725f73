"""HTML, built from the inside out: text is escaped when it becomes part of an element."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from torc_watch.render.terminal_text import printable

_LONGEST_TEXT = 2000  # characters of one text: a line of output, a path, a phrase
_LONGEST_CELL = 200  # of a table
_VOID = ("meta", "br")


@dataclass(frozen=True, slots=True)
class Markup:
    """HTML that is well formed. Only this module and pictures make it from plain text."""

    text: str


Child = Markup | str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """``numbers`` are the columns that are aligned to the right. Cells beyond ``most`` rows are
    left out, and ``noun`` is what one of those is called.
    """

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[Child]]
    numbers: Sequence[int] = ()
    most: int = 50
    noun: str = "row"


def escaped(text: str) -> str:
    """Without control characters, which HTML cannot hold either."""
    return escape(printable(text, _LONGEST_TEXT))


def element(tag: str, *children: Child, **attributes: str | None) -> Markup:
    """``class_`` is the attribute class, ``aria_label`` aria-label; None leaves one out."""
    given = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escaped(value)}"'
        for name, value in attributes.items()
        if value is not None
    )
    opening = f"<{tag}{given}>"
    return Markup(opening if tag in _VOID else f"{opening}{joined(children).text}</{tag}>")


def joined(children: Iterable[Child], between: str = "") -> Markup:
    """One after the other; nothing for None."""
    texts = (
        each.text if isinstance(each, Markup) else escaped(each)
        for each in children
        if each is not None
    )
    return Markup(escaped(between).join(texts) if between else "".join(texts))


def listed(items: Iterable[Child], **attributes: str) -> Markup | None:
    """None without items."""
    found = [element("li", item) for item in items]
    return element("ul", *found, **attributes) if found else None


def table(content: Table) -> Markup:
    head = [
        element("th", name, scope="col", class_=_alignment(content, column))
        for column, name in enumerate(content.head)
    ]
    rows = [_row(content, row) for row in content.rows[: content.most]]
    return element(
        "div",
        element(
            "table",
            element("caption", content.caption),
            element("thead", element("tr", *head)),
            element("tbody", *rows, _rest(content)),
        ),
        class_="table",
    )


def _row(content: Table, row: Sequence[Child]) -> Markup:
    first, *others = (_cell(child) for child in row)
    cells = [element("th", first, scope="row", class_=_alignment(content, 0))]
    cells += [
        element("td", cell, class_=_alignment(content, column))
        for column, cell in enumerate(others, start=1)
    ]
    return element("tr", *cells)


def _cell(child: Child) -> Child:
    return printable(child, _LONGEST_CELL) if isinstance(child, str) else child


def _alignment(content: Table, column: int) -> str | None:
    return "number" if column in content.numbers else None


def _rest(content: Table) -> Markup | None:
    left_out = len(content.rows) - content.most
    if left_out <= 0:
        return None
    text = f"and {left_out:,} more {content.noun}{'' if left_out == 1 else 's'}"
    return element("tr", element("td", text, colspan=str(len(content.head)), class_="rest"))
