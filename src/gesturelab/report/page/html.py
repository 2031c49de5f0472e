"""Pieces of HTML; every text that comes from a run is escaped here."""

import html
import math
from collections.abc import Iterable, Sequence

Cell = str | tuple[str, float]
"""A text, or a text with the number that it is sorted by."""


def text(value: object) -> str:
    """A text that a browser shows as it is, within an element or an attribute in double quotes.

    >>> text('<a href="x">')
    '&lt;a href=&quot;x&quot;&gt;'
    """
    return html.escape(str(value), quote=True)


def paragraphs(lines: Iterable[str], kind: str = "") -> str:
    """Lines of text as paragraphs of a class."""
    attribute = f' class="{text(kind)}"' if kind else ""
    return "".join(f"<p{attribute}>{text(line)}</p>\n" for line in lines)


def table(caption: str, columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """A table that sorts; columns whose cells all begin with a number (or have one to sort by) are aligned right."""
    body = [[one if isinstance(one, tuple) else (one, _number(one)) for one in row] for row in rows]
    numeric = [
        all(row[at][1] is not None for row in body if row[at][0]) and any(row[at][0] for row in body)
        for at in range(len(columns))
    ]
    head = "".join(
        f'<th scope="col" aria-sort="none"{_right(numeric[at])}><button type="button">{text(name)}</button></th>'
        for at, name in enumerate(columns)
    )
    lines = "".join(
        "<tr>" + "".join(_cell(shown, key if numeric[at] else None) for at, (shown, key) in enumerate(row)) + "</tr>\n"
        for row in body
    )
    return (
        f'<div class="wide" role="region" aria-label="{text(caption)}" tabindex="0"><table class="sorts">'
        f"<caption>{text(caption)}</caption>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{lines}</tbody></table></div>\n"
    )


def _cell(shown: str, key: float | None) -> str:
    sort = "" if key is None else f' data-sort="{key:.9g}"'
    return f"<td{_right(key is not None)}{sort}>{text(shown)}</td>"


def _right(numeric: bool) -> str:
    return ' class="number"' if numeric else ""


def _number(shown: str) -> float | None:
    """The number that a cell begins with, None where there is none.

    >>> _number("91.2 (85.0-95.5)"), _number("507,874"), _number("<0.001"), _number("tiny")
    (91.2, 507874.0, 0.001, None)
    """
    first = shown.split(" ")[0].replace(",", "").lstrip("<#")
    try:
        number = float(first)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
