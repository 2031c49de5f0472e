"""What mkdocs puts into pages when the manual is built: the public API, and the files of the example packages."""

import re
from pathlib import Path

import gesturelab

PROJECT = Path(__file__).parents[1]
API = "<!-- public API -->"
EXAMPLE = re.compile(r"<!-- code: (\S+) -->\n")
LANGUAGES = {".yaml": "yaml", ".py": "python"}


def public_names() -> list[str]:
    """The names of ``gesturelab.__all__``; without one, those that the package imports as themselves."""
    listed = getattr(gesturelab, "__all__", None)
    source = Path(gesturelab.__file__).read_text(encoding="utf-8")
    names = listed or re.findall(r"import (\w+) as \1$", source, re.MULTILINE)
    return [name for name in names if not name.startswith("_")]


def example_files(folder: str) -> str:
    """Snippets that show the files of an example package, its YAML first, without its tests."""
    paths = [
        path.relative_to(PROJECT).as_posix()
        for suffix in LANGUAGES
        for path in sorted((PROJECT / folder).rglob(f"*{suffix}"))
        if not path.name.startswith(("test_", "conftest"))
    ]
    return "\n".join(f'`{path}`:\n\n```{LANGUAGES[Path(path).suffix]}\n--8<-- "{path}"\n```\n' for path in paths)


def on_page_markdown(markdown: str, **_: object) -> str:
    """Puts directives and snippets in place of the marks."""
    markdown = EXAMPLE.sub(lambda mark: example_files(mark[1]), markdown)
    return markdown.replace(API, "\n\n".join(f"::: gesturelab.{name}" for name in public_names()))
