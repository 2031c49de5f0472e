"""Fills docs/reference/api.md when the manual is built: one section for each public name of ``gesturelab``."""

import re
from pathlib import Path

import gesturelab

MARK = "<!-- public API -->"


def public_names() -> list[str]:
    """The names of ``gesturelab.__all__``; without one, those that the package imports as themselves."""
    listed = getattr(gesturelab, "__all__", None)
    source = Path(gesturelab.__file__).read_text(encoding="utf-8")
    names = listed or re.findall(r"import (\w+) as \1$", source, re.MULTILINE)
    return [name for name in names if not name.startswith("_")]


def on_page_markdown(markdown: str, **_: object) -> str:
    """Puts mkdocstrings' directives in place of the mark."""
    return markdown.replace(MARK, "\n\n".join(f"::: gesturelab.{name}" for name in public_names()))
