"""Counts the code of the tree, or of a revision of git: how large the house is.

    python benchmarks/count_code.py                 the tree, with what is not committed
    python benchmarks/count_code.py 373ae7f         a revision
    python benchmarks/count_code.py --folder src/gesturelab/report 373ae7f
    python benchmarks/count_code.py --names         also lists the names that several modules define

A line of code holds at least one token that is neither a comment nor part of a docstring. Modules are Python files;
templates, style and scripts of the page are counted apart, by their lines that are not blank.
"""

import argparse
import ast
import io
import subprocess
import tokenize
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHORT = 60
"""Lines of code below which a module is short."""
OTHER = (".html", ".css", ".js", ".jinja", ".j2", ".md", ".svg")
SILENT = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)


def read_tree(folder: str, revision: str | None) -> dict[str, str]:
    """The text of each file below a folder, by its path in the repository."""
    if revision is None:
        listed = _git("ls-files", "-z", "--cached", "--others", "--exclude-standard", folder).split("\0")
        return {name: (ROOT / name).read_text("utf-8") for name in listed if _counts(name) and (ROOT / name).is_file()}
    listed = _git("ls-tree", "-r", "-z", "--name-only", revision, folder).split("\0")
    return {name: _git("show", f"{revision}:{name}") for name in listed if _counts(name)}


def _counts(name: str) -> bool:
    return name.endswith((".py", *OTHER))


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True)
    return done.stdout.decode("utf-8")


def code_lines(source: str) -> int:
    r"""Lines of Python without blank lines, comments and docstrings.

    >>> code_lines('"Doc."\nx = 1  # one\n\n# two\ndef f():\n    "Doc."\n    return (\n        x)\n')
    4
    """
    docstrings: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else []:
            match statement:  # what a name means, in a text below it, counts as a docstring too
                case ast.Expr(value=ast.Constant(value=str())):
                    docstrings.update(range(statement.lineno, (statement.end_lineno or statement.lineno) + 1))
                case _:
                    pass
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in SILENT:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines - docstrings)


def defined(source: str) -> set[str]:
    """The functions and classes at the top of a module."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return {node.name for node in ast.parse(source).body if isinstance(node, kinds)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("revision", nargs="?", help="a revision of git; without it, the tree as it is")
    parser.add_argument("--folder", default="src", help="what is counted (default: src)")
    parser.add_argument("--names", action="store_true", help="list the names that several modules define")
    given = parser.parse_args()
    texts = read_tree(given.folder, given.revision)
    modules = {name: text for name, text in texts.items() if name.endswith(".py")}
    counts = {name: code_lines(text) for name, text in modules.items()}
    where: dict[str, list[str]] = defaultdict(list)
    for name, text in modules.items():
        for word in defined(text):
            where[word].append(name)
    shared = {word: names for word, names in sorted(where.items()) if len(names) > 1}
    public = [word for word in shared if not word.startswith("_")]
    others = sum(
        bool(line.strip()) for name, text in texts.items() if name not in modules for line in text.splitlines()
    )
    readme = _git("show", f"{given.revision}:README.md") if given.revision else (ROOT / "README.md").read_text("utf-8")
    rows = {
        "code lines": sum(counts.values()),
        "files": len(modules),
        f"modules under {SHORT} lines": sum(count < SHORT for count in counts.values()),
        "names defined in more than one module": f"{len(shared)}, {len(public)} of them public",
        "lines of templates, style and scripts": others,
        "README bytes": len(readme.encode()),
    }
    print(f"{given.folder} of {given.revision or 'the tree'}")
    for what, value in rows.items():
        print(f"  {what:<40} {value}")
    if given.names:
        for word, names in shared.items():
            print(f"  {word}: {', '.join(names)}")


if __name__ == "__main__":
    main()
