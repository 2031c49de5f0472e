"""Writes the configuration reference: every key with its type, value and meaning, read from schemas and conf/.

``python docs/write_reference.py`` prints it; with the name of a file, puts it between the two marks in that file.
"""

import ast
import inspect
import json
import re
import sys
import textwrap
from collections.abc import Iterator, Set
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum, EnumType
from functools import cache
from itertools import pairwise, takewhile
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, cast, get_args, get_origin, get_type_hints

from omegaconf import OmegaConf

from gesturelab.config.composing import compose, options
from gesturelab.config.options import GuestOptions, locate, target_of
from gesturelab.config.store import conf_dir
from gesturelab.config.sweeps import LocalLauncherConfig, SearchConfig, SharedProcessLauncherConfig, SlurmLauncherConfig
from gesturelab.config.training import TrainConfig
from gesturelab.errors import ConfigError

BEGIN = "<!-- configuration reference: begin; written by `make reference` -->"
END = "<!-- configuration reference: end -->"

PLUGINS = {
    "launcher": {
        "local": LocalLauncherConfig,
        "shared_process": SharedProcessLauncherConfig,
        "slurm": SlurmLauncherConfig,
    },
    "sweeper": {"optuna": SearchConfig},
}

WORDS: dict[Any, str] = {str: "text", int: "whole number", float: "number", bool: "true or false", NoneType: "null"}


@dataclass
class Row:
    """One key of the reference, and the options of its group that have it."""

    key: str
    type: str
    value: str
    meaning: str
    options: list[str] = field(default_factory=list[str])


NEEDS = {"plateau": ("trainer.refit=false",)}
"""What else an option needs."""


def reference() -> str:
    """The whole reference, in Markdown."""
    chosen = default_options()
    whole = compose()
    parts = ["## The run", _table(list(_rows("", whole, but=set(chosen))), [])]
    for group, default in chosen.items():
        names = sorted(options(group), key=lambda name: name != default)
        if group == "experiment":
            parts += ["## `experiment`", "Several choices under one name; none by default.", _listed(group, names)]
            continue
        rows: dict[tuple[str, str], Row] = {}  # a key whose meaning depends on the option has a row for each meaning
        for name in names:
            composed = whole if name == default else compose([f"{group}={name}", *NEEDS.get(name, ())])
            for row in _rows(f"{group}.", getattr(composed, group)):
                rows.setdefault((row.key, row.meaning), row).options.append(name)
        parts += [f"## `{group}`", _escaped(meaning(TrainConfig, group))]
        parts += [_listed(group, names, default), _table(list(rows.values()), names)]
    parts += ["## `hydra/launcher`, `hydra/sweeper`", "How the jobs of a sweep are run, and which ones there are."]
    for kind, schemas in PLUGINS.items():
        for name, schema in schemas.items():
            parts += [_listed(f"hydra/{kind}", [name]), _table(list(_plugin_rows(kind, name, schema)), [])]
    return "\n\n".join(part for part in parts if part) + "\n"


def _plugin_rows(kind: str, name: str, schema: type) -> Iterator[Row]:
    values = schema()
    prefix = "launcher" if kind == "launcher" else f"hydra.{kind}"
    hints = get_type_hints(schema)
    for each in (each.name for each in fields(schema) if not each.name.startswith("_")):
        yield Row(f"{prefix}.{each}", type_in_words(hints[each]), _shown(getattr(values, each)), meaning(schema, each))


def default_options() -> dict[str, str | None]:
    """The groups in the order of conf/train.yaml, each with the option that is taken when nothing is asked for."""
    listed = cast(list[Any], OmegaConf.to_container(cast(Any, OmegaConf.load(conf_dir() / "train.yaml")).defaults))
    pairs = [next(iter(entry.items())) for entry in listed if isinstance(entry, dict)]
    return {group: option for group, option in pairs if not group.startswith("override ")}


def _rows(prefix: str, value: Any, but: Set[str] = frozenset()) -> Iterator[Row]:
    if isinstance(value, dict):
        for key, below in cast(dict[str, Any], value).items():
            if is_dataclass(below):
                yield from _rows(f"{prefix}{key}.", below)
    elif is_dataclass(value):
        schema = cast(type, type(value))
        hints = get_type_hints(schema)
        if isinstance(value, GuestOptions):
            yield from _argument_rows(prefix, value)
            but = {*but, "arguments"}
        free = "" if isinstance(value, GuestOptions) else getattr(schema, "FREE", "")
        for name, entry in (cast(Any, value).free if free else {}).items():
            if isinstance(entry, bool):
                yield Row(prefix + name, WORDS[bool], _shown(entry), _comments(prefix.rstrip("."))[name])
        for each in (each for each in fields(value) if each.name not in but):
            if each.name == free:
                yield Row(f"{prefix}<name>", "a class of your own", "", meaning(schema, free))
                continue
            yield Row(
                prefix + each.name,
                type_in_words(hints[each.name]),
                _shown(getattr(value, each.name)),
                meaning(schema, each.name),
            )


def _argument_rows(prefix: str, value: GuestOptions) -> Iterator[Row]:
    """The keys of an option without a schema; the docstring of its class says what they mean (``Args:``)."""
    documented = inspect.getdoc(locate(prefix.rstrip("."), target_of(value))) or ""
    meanings = dict(re.findall(r"^ {4}(\w+): (.+)$", documented.partition("Args:")[2], re.MULTILINE))
    for key, argument in value.arguments.items():
        yield Row(prefix + key, WORDS.get(type(argument), "any"), _shown(argument), meanings.get(key, ""))


@cache
def _comments(group: str) -> dict[str, str]:
    """The comment above each key in the file of a group's default option."""
    text = (conf_dir() / group / f"{default_options()[group]}.yaml").read_text(encoding="utf-8")
    comments: dict[str, str] = {}
    above: list[str] = []
    for line in text.splitlines():
        if line.startswith("#"):
            above.append(line[1:].strip())
            continue
        comments[line.partition(":")[0]] = " ".join(above)
        above = []
    return comments


def meaning(schema: type, name: str) -> str:
    """The docstring under a field, in the class that introduced it or the nearest one that explains it.

    Raises:
        ConfigError: If nothing explains the field.
    """
    for each in schema.__mro__:
        found = _docstrings(each).get(name) if is_dataclass(each) else None
        if found:
            return found
    raise ConfigError(f"{schema.__name__}.{name} has no docstring below it")


@cache
def _docstrings(schema: type) -> dict[str, str]:
    """What stands below each field in the source of a class."""
    body = cast(ast.ClassDef, ast.parse(textwrap.dedent(inspect.getsource(schema))).body[0]).body
    return {
        before.target.id: " ".join(after.value.value.split())
        for before, after in pairwise(body)
        if isinstance(before, ast.AnnAssign)
        and isinstance(before.target, ast.Name)
        and isinstance(after, ast.Expr)
        and isinstance(after.value, ast.Constant)
        and isinstance(after.value.value, str)
    }


def type_in_words(hint: Any) -> str:
    """A type for readers who do not write Python.

    >>> type_in_words(int | None), type_in_words(list[str])
    ('whole number or null', 'list of text')
    """
    if isinstance(hint, EnumType):
        return ", ".join(str(cast(Enum, each).value) for each in hint)
    if isinstance(hint, UnionType):
        return " or ".join(type_in_words(each) for each in get_args(hint))
    if get_origin(hint) is list:
        return f"list of {type_in_words(get_args(hint)[0]).replace('number', 'numbers')}"
    if get_origin(hint) is dict:
        return "names and values"
    return WORDS.get(hint, "anything")


def _shown(value: Any) -> str:
    if isinstance(value, Enum):
        return str(value.value)
    return value if isinstance(value, str) and value else json.dumps(value)


def _listed(group: str, names: list[str], default: str | None = None) -> str:
    """The options of a group, each with the comment at the top of its file."""
    said: dict[str, str] = {}
    for name in names:
        top = (conf_dir() / group / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
        comment = takewhile(lambda line: line.startswith("#"), top)
        text = " ".join(line[1:].strip() for line in comment if not line.startswith("# @package"))
        said[f"`{group}={name}`" + (" (default)" if name == default else "")] = _escaped(text)
    if not any(said.values()):
        return ", ".join(said) + "."
    return "\n".join(f"- {name}: {text}" if text else f"- {name}" for name, text in said.items())


def _table(rows: list[Row], names: list[str]) -> str:
    """A Markdown table; a key that only some options have names them."""
    if not rows:
        return ""
    lines = ["| key | type | default | meaning |", "| --- | --- | --- | --- |"]
    for row in rows:
        only = "" if row.options == names else f"Only with {', '.join(f'`{name}`' for name in row.options)}. "
        lines.append(f"| `{row.key}` | {row.type} | `{row.value}` | {only}{_escaped(row.meaning)} |")
    return "\n".join(lines)


def _escaped(text: str) -> str:
    """Text that Markdown shows as it is; code that was marked up for Python's documentation stays code."""
    return text.replace("``", "`").replace("<", "&lt;").replace("|", "\\|")


def put_into(text: str, written: str) -> str:
    """A document with something else between its two marks.

    Raises:
        ConfigError: If the marks are not there, once each and in order.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ConfigError(f"there must be one line {BEGIN!r}, and after it one line {END!r}")
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n\n{written}\n{END}{rest.split(END)[1]}"


def main(arguments: list[str]) -> None:
    """Prints the reference, or puts it into a file."""
    if not arguments:
        print(reference(), end="")
        return
    path = Path(arguments[0])
    path.write_text(put_into(path.read_text(encoding="utf-8"), reference()), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
