"""Doors: options that are free, named in a configuration by ``_target_``: an importable class or function.

What comes with gesturelab has a schema (a dataclass whose ``_target_`` has a default); a guest needs none. Both become
an object of the group's base schema, so that the rest of the program reads the same attributes of either.
"""

import copy
import inspect
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import Any, ClassVar, TypeVar, cast

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gesturelab.errors import ConfigError, GesturelabError
from gesturelab.files import sha256

TARGET = "_target_"

_read: dict[tuple[type[Any], str], Any] = {}
"""Results of `from_values`: the jobs of a sweep have most groups in common."""

_Schema = TypeVar("_Schema")


@dataclass
class GuestOptions:
    """Mixed into a group's base schema for what comes from outside: its own keys, as its file gives them."""

    FREE: ClassVar[str] = "arguments"
    """The field that holds the keys of the file that the schema does not have."""

    arguments: dict[str, Any] = field(default_factory=dict[str, Any])
    """Keyword arguments of the guest's class or function."""

    @property
    def free(self) -> dict[str, Any]:
        """The keys of the file that the schema does not have."""
        return self.arguments


def from_values(schema: type[_Schema], values: Any, key: str = "") -> _Schema:
    """A schema's object from plain values; they are values only, never references to others.

    Args:
        schema: A dataclass of `gesturelab.config`; keys that are missing have its defaults.
        values: Keys and values.
        key: Where they stand, such as ``model``; errors begin with it.

    Raises:
        ConfigError: If a key is unknown, or a value has the wrong type or breaks a rule.
    """
    where = key or schema.__name__
    try:
        text = json.dumps(values, default=str)
        if "${" in text:  # OmegaConf would look it up, in the environment for one
            raise ConfigError(f"{where}: a saved value refers to another one")
        if not isinstance(values, Mapping):
            raise ConfigError(f"{where}={values}: must be a group of keys, as its options have")
        refuse_unknown_keys(schema, values, key, where)
        if (schema, text) not in _read:
            _read[schema, text] = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(schema), values))
        return cast(_Schema, copy.deepcopy(_read[schema, text]))
    except (OmegaConfBaseException, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ConfigError(f"{where}: {error}") from error


def refuse_unknown_keys(schema: type[Any], names: Iterable[Any], key: str, where: str) -> None:
    """Refuses a key that a schema does not have.

    Args:
        schema: A dataclass of `gesturelab.config`.
        names: The keys that were given.
        key: Where they stand, such as ``model``; empty at the root.
        where: The same in words.

    Raises:
        ConfigError: Naming the first such key, and what it is called here or the keys that there are.
    """
    known = [each.name for each in fields(schema)]
    for name in names:
        if name not in known:
            synonym = getattr(schema, "SYNONYMS", {}).get(str(name))
            hint = f"use {synonym}" if synonym else f"{where} has {', '.join(known)}"
            raise ConfigError(f"{key}.{name}: there is no such key; {hint}".lstrip("."))


def read_option(key: str, values: Any, schemas: Iterable[type[Any]], guest: type[_Schema]) -> _Schema:
    """The typed option of a group: by its schema if it is built in, else as a guest.

    Args:
        key: The group, such as ``model``.
        values: The option's keys and values; ``_target_`` names its class or function.
        schemas: Of the options that are built in.
        guest: Schema of the others: the keys that every option of the group has, with `GuestOptions`.

    Raises:
        ConfigError: Naming the key, if there is no ``_target_``, or a value breaks a rule.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"{key}={values}: must be an option of the group {key}, with keys of its own")
    plain = dict(cast(Mapping[str, Any], values))
    target = plain.get(TARGET)
    if not isinstance(target, str) or not target:
        raise ConfigError(f"{key}._target_: names the class or function, such as mypackage.MyClass; it is missing")
    for schema in schemas:
        if target == target_of(schema):
            return from_values(schema, plain, key)
    return _read_keys(guest, plain, key)


def read_free(schema: type[_Schema], values: Any, key: str) -> _Schema:
    """A group's object; keys that its schema does not have become the dictionary that ``schema.FREE`` names.

    They may also stand in a dictionary of that name, as the object itself has them.

    Raises:
        ConfigError: Naming the key, if a value has the wrong type or breaks a rule.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"{key}={values}: must be a group of keys, as its options have")
    free: str = cast(Any, schema).FREE
    plain = {str(name): value for name, value in cast(Mapping[Any, Any], values).items()}
    if isinstance(nested := plain.get(free), Mapping) and not is_guest(nested):
        del plain[free]
        plain = dict(cast(Mapping[str, Any], nested)) | plain
    return _read_keys(schema, plain, key)


def _read_keys(schema: type[_Schema], plain: Mapping[str, Any], key: str) -> _Schema:
    """A schema's object; keys that it does not have become the dictionary that ``schema.FREE`` names."""
    free: str = cast(Any, schema).FREE
    own = {each.name for each in fields(cast(Any, schema))} - {free}
    options = from_values(schema, {name: value for name, value in plain.items() if name in own}, key)
    return replace(cast(Any, options), **{free: {name: plain[name] for name in plain if name not in own}})


def is_guest(value: Any) -> bool:
    """Whether a value names a class or function by its ``_target_``."""
    target = cast(Mapping[str, Any], value).get(TARGET) if isinstance(value, Mapping) else None
    return isinstance(target, str) and bool(target)


def guests_of(config: Any) -> dict[str, dict[str, Any]]:
    """The entries of a group that name classes or functions, in the order of their names."""
    return {name: dict(value) for name, value in sorted(config.free.items()) if is_guest(value)}


def target_of(config: Any) -> str:
    """The ``_target_`` of an option, or of a schema by default; empty where it has none."""
    if isinstance(config, Mapping):
        return str(cast(Mapping[str, Any], config).get(TARGET) or "")
    return str(getattr(config, TARGET, ""))


def to_plain(config: Any) -> dict[str, Any]:
    """An option's keys as plain JSON values, a guest's own keys among them."""
    plain: dict[str, Any] = dict(config) if isinstance(config, dict) else vars(config) | asdict(config)
    if free := getattr(config, "FREE", ""):
        del plain[free]
        plain |= cast(Any, config).free
    # an enum is a string already, but YAML and JSON print it differently
    return {key: str(value) if isinstance(value, str) else value for key, value in plain.items()}


def arguments_of(config: Any, base: type[Any]) -> dict[str, Any]:
    """The keyword arguments of an option's class: its keys but for those of the group's base schema."""
    if isinstance(config, GuestOptions):
        return dict(config.arguments)
    own = {each.name for each in fields(base)}
    return {key: value for key, value in vars(config).items() if key not in own and is_dataclass(config)}


def locate(key: str, target: str) -> Any:
    """The class or function that a ``_target_`` names.

    Args:
        key: Where it stands, such as ``model``.
        target: Dotted name.

    Raises:
        ConfigError: Naming the key, if nothing of that name can be imported.
    """
    module, _, name = target.rpartition(".")
    try:
        if not module:
            raise ImportError("a dotted name is needed, such as mypackage.MyClass")
        try:
            return getattr(import_module(module), name)
        except (ModuleNotFoundError, AttributeError):
            outer, _, inner = module.rpartition(".")  # a method of a class
            if not outer:
                raise
            return getattr(getattr(import_module(outer), inner), name)
    except Exception as error:  # importing a module runs it, so anything may be raised
        hint = "" if module.startswith("gesturelab") else "; install its package, or put its file beside --config-dir"
        raise ConfigError(f"{key}._target_={target}: cannot be imported: {error}{hint}") from error


def construct(
    key: str,
    target: str,
    arguments: Mapping[str, Any],
    context: Mapping[str, Any] | None = None,
    *args: Any,
    kind: type | None = None,
) -> Any:
    """What a ``_target_`` makes of its arguments; nested ``_target_`` are constructed first.

    Args:
        key: Where it stands, such as ``model``.
        target: Dotted name of a class or function.
        arguments: Keyword arguments from the configuration.
        context: What the framework knows, given as far as the signature names it.
        args: Positional arguments.
        kind: What it must be a subclass of, before it is called: a configuration from elsewhere starts nothing else.

    Raises:
        ConfigError: Naming the key, if it cannot be imported, is of another kind, or refuses its arguments.
    """
    if not target:
        raise ConfigError(f"{key}._target_: names the class or function, such as mypackage.MyClass; it is missing")
    factory = locate(key, target)
    if kind is not None and not (isinstance(factory, type) and issubclass(factory, kind)):
        raise ConfigError(f"{key}._target_={target}: must be a subclass of {kind.__module__}.{kind.__qualname__}")
    if not callable(factory):
        raise ConfigError(f"{key}._target_={target}: must be a class or function, not {type(factory).__name__}")
    constructed = {name: construct_nested(f"{key}.{name}", value) for name, value in arguments.items()}
    try:
        return factory(*args, **{**accepted(factory, context or {}), **constructed})
    except GesturelabError:
        raise
    except Exception as error:
        shown = ", ".join(f"{name}={value!r}"[:80] for name, value in constructed.items()) or "no keys of its own"
        raise ConfigError(f"{key}: {target} cannot be made from {shown}: {error}") from error


def accepted(function: Callable[..., Any], context: Mapping[str, Any]) -> dict[str, Any]:
    """As much of the context as a signature names; all of it where the signature cannot be read."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return dict(context)
    return {name: value for name, value in context.items() if name in parameters}


def construct_nested(key: str, value: Any) -> Any:
    """A value in which each mapping with a ``_target_`` is replaced by what it makes.

    Raises:
        ConfigError: As `construct` does.
    """
    if isinstance(value, Mapping):
        values = dict(cast(Mapping[str, Any], value))
        if isinstance(target := values.pop(TARGET, None), str):
            return construct(key, target, values)
        return {name: construct_nested(f"{key}.{name}", each) for name, each in values.items()}
    if isinstance(value, list):
        return [construct_nested(f"{key}[{at}]", each) for at, each in enumerate(cast(list[Any], value))]
    return value


def add_search_path(folders: Iterable[str]) -> None:
    """Makes the files in some folders importable, after everything that is installed."""
    for folder in folders:
        if folder not in sys.path:
            sys.path.append(folder)


def provenance(target: str) -> dict[str, str | None]:
    """Which class of which version of which file a ``_target_`` is, for the info file.

    Returns:
        ``class``, ``package`` and ``version`` (null where it is in no installed package), ``sha256`` of its source file
        (null where there is none).
    """
    located = locate("", target)
    package = str(getattr(located, "__module__", target)).partition(".")[0]
    name, known = installed_distribution(package) or (None, None)
    return {"class": target, "package": name, "version": known, "sha256": source_sha256(located)}


@cache
def installed_distribution(package: str) -> tuple[str, str] | None:
    """Name and version of what was installed to import a package; None where nothing was.

    Most have the package's name; to look through what every installed distribution holds takes half a second.
    """
    with suppress(PackageNotFoundError):
        return package, version(package)
    for name in packages_distributions().get(package, []):
        with suppress(PackageNotFoundError):
            return name, version(name)
    return None


def source_sha256(located: Any) -> str | None:
    """The checksum of the file in which a class or function stands; None if it is in none."""
    try:
        file = inspect.getsourcefile(located)
    except TypeError:
        return None
    return sha256(Path(file)) if file and Path(file).is_file() else None
