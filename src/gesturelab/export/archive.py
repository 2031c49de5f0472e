"""The zip that a model travels in: few members, known by name, none of which can carry code."""

import hashlib
import json
import zipfile
import zlib
from pathlib import Path
from typing import Any, cast

from gesturelab.errors import BundleError
from gesturelab.files import atomic_write, refuse_special_file

WEIGHTS, DESCRIPTION, CARD = "weights.safetensors", "bundle.json", "README.md"

MOST_BYTES = {WEIGHTS: 2**30, DESCRIPTION: 16 * 2**20, CARD: 2**20}
"""The members, and how large each may be; the largest size has 140 MB of weights."""

CARRIES_CODE = (".pth", ".pt", ".pkl", ".pickle", ".ckpt", ".bin", ".joblib", ".npy", ".npz", ".py")

_BEGINNING = (1980, 1, 1, 0, 0, 0)
"""The time of every member: equal models make equal bytes."""


def write_archive(path: Path, description: dict[str, Any], weights: bytes, card: str) -> None:
    """Writes the file whole or not at all; the description gets a checksum of each other member.

    Raises:
        RunError: If it cannot be written.
    """
    members = {WEIGHTS: weights, CARD: card.encode()}
    checksums = {name: hashlib.sha256(data).hexdigest() for name, data in members.items()}
    described = json.dumps({**description, "sha256": checksums}, indent=2, ensure_ascii=False, allow_nan=False)
    members = {CARD: members[CARD], DESCRIPTION: described.encode() + b"\n", WEIGHTS: weights}
    with atomic_write(path) as beside, zipfile.ZipFile(beside, "w") as archive:
        for name, data in members.items():
            member = zipfile.ZipInfo(name, _BEGINNING)
            member.create_system = 3  # Unix, whatever it is written on
            member.external_attr = 0o644 << 16
            archive.writestr(member, data)


def read_archive(path: Path) -> tuple[dict[str, Any], bytes]:
    """The description and the weights; names, sizes and checksums are right.

    Raises:
        BundleError: Naming the file, and what is wrong with it.
    """
    try:
        refuse_special_file(path, sum(MOST_BYTES.values()))
        with zipfile.ZipFile(path) as archive:
            _check_members(path, archive)
            data = {name: _read(path, archive, name) for name in MOST_BYTES}
    except FileNotFoundError:
        raise BundleError(f"{path} does not exist") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, ValueError) as error:
        raise BundleError(
            f"{path} is not a whole model file ({error}): copy it again, or make it with 'gesturelab export'"
        ) from error
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror or error}") from error
    description = _description(path, data[DESCRIPTION])
    checksums: Any = description.get("sha256")
    for name in (WEIGHTS, CARD):
        known = checksums.get(name) if isinstance(checksums, dict) else None
        if hashlib.sha256(data[name]).hexdigest() != known:
            raise BundleError(f"{path}: {name} is not what was written (its SHA-256 differs); copy the file again")
    return description, data[WEIGHTS]


def _check_members(path: Path, archive: zipfile.ZipFile) -> None:
    names = [member.filename for member in archive.infolist()]
    for member in archive.infolist():
        name = member.filename
        if name.lower().endswith(CARRIES_CODE):
            raise BundleError(f"{path} holds {name!r}, which may carry code; weights are read as safetensors only")
        if name not in MOST_BYTES:
            raise BundleError(f"{path} holds {name!r}, which is no part of a model file; it is not read")
        if member.compress_type != zipfile.ZIP_STORED:
            raise BundleError(f"{path}: {name} is packed, as no part of a model file is; it is not read")
        if member.file_size > MOST_BYTES[name]:
            raise BundleError(f"{path}: {name} says that it has {member.file_size:,} bytes; it is not read")
    if len(set(names)) < len(names):
        raise BundleError(f"{path} holds a member twice; it is not read")
    if missing := sorted(MOST_BYTES.keys() - set(names)):
        raise BundleError(f"{path} has no {missing[0]}: it is no model file, or only a part of one")


def _read(path: Path, archive: zipfile.ZipFile, name: str) -> bytes:
    with archive.open(name) as member:
        data = member.read(MOST_BYTES[name] + 1)
    if len(data) > MOST_BYTES[name]:
        raise BundleError(f"{path}: {name} is larger than it says; it is not read")
    return data


def _description(path: Path, data: bytes) -> dict[str, Any]:
    try:
        values = json.loads(data, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path}: {DESCRIPTION} is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise BundleError(f"{path}: {DESCRIPTION} is not a dictionary")
    return cast(dict[str, Any], values)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no number")
