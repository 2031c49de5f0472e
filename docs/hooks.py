"""Fills docs/reference/api.md when the manual is built: one section for each public name of ``gesturelab``."""

import gesturelab

MARK = "<!-- public API -->"


def public_names() -> list[str]:
    """The names that ``gesturelab.__all__`` lists, in its order, without the version."""
    listed = getattr(gesturelab, "__all__", None) or gesturelab._IN_USE
    return [name for name in listed if not name.startswith("_")]


def on_page_markdown(markdown: str, **_: object) -> str:
    """Puts mkdocstrings' directives in place of the mark."""
    return markdown.replace(MARK, "\n\n".join(f"::: gesturelab.{name}" for name in public_names()))
