"""Damages valid files at random: bytes, lines, cells, JSON values. The same generator gives the same damage."""

import copy
import json
import random
from collections.abc import Callable

WORDS = (
    *(b"nan", b"-inf", b"NaN", b"Infinity", b"1e400", b"-1e-400", b"0x10", b"1_000", b"9" * 400, b"-" + b"9" * 30),
    *(b"9" * 5000, b"0." + b"1" * 300, b"--1", b"+1", b".", b"-", b"1.2.3", b"\xd9\xa1", b"1e", b"\xef\xbb\xbf"),
    *(b"true", b"null", b"[", b"{", b"}", b"]", b'"', b"\\", b"'", b"\\ud800", b"\\u0000", b"\x00", b"\r", b"\r\n\r\n"),
    *(b"Version0.1", b"NotTracked", b"Tracked", b"(Neck", b")", b",", b",,,,", b"..", b"../../x", b"/etc/passwd"),
    *(b"&a", b"*a", b"!!python/object/apply:os.system", b"${oc.env:HOME}", b"${x}", b"? ", b"- - - ", b"%TAG"),
    *(b"\xff\xfe", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", "\u202e\U0001f600".encode(), b"," * 5000, b"[" * 3000),
)

VALUES: tuple[object, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63) - 1, 10**400, 0.5, -0.5, 1e308, 1e-320),
    *(float("nan"), float("inf"), float("-inf")),
    *("", "0", "x" * 5000, "\ud800", "\x00", "<script>", "../..", "2026-01-01", "9999-12-31T23:59:59+14:00", "NaN"),
    *([], {}, [[]], [None], {"": None}, [1, "a", {}], {"a": {"b": []}}),
)


def nested(depth: int) -> object:
    """Lists in lists."""
    value: object = []
    for _ in range(depth):
        value = [value]
    return value


def damaged(rng: random.Random, seed: bytes, others: tuple[bytes, ...] = ()) -> bytes:
    """Bytes after one to four mutations, text-aware or not."""
    data = seed
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        data = rng.choice(BYTE_MUTATIONS)(rng, data)
    if others and rng.random() < 0.05:
        other = rng.choice(others)
        data = data[: rng.randint(0, len(data))] + other[rng.randint(0, len(other)) :]
    return data[:4_000_000]


def _flip(rng: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        if changed:
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _random_bytes(rng: random.Random, data: bytes) -> bytes:
    at = rng.randint(0, len(data))
    return data[:at] + rng.randbytes(rng.choice((1, 2, 4, 30))) + data[at + rng.choice((0, 1, 4, 30)) :]


def _cut(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.randint(0, len(data))]


def _remove(rng: random.Random, data: bytes) -> bytes:
    at = rng.randint(0, len(data))
    return data[:at] + data[at + rng.choice((1, 2, 10, 1000)) :]


def _repeat(rng: random.Random, data: bytes) -> bytes:
    at = rng.randint(0, len(data))
    end = at + rng.choice((1, 10, 1000))
    return data[:at] + data[at:end] * rng.choice((2, 3, 20)) + data[end:]


def _word(rng: random.Random, data: bytes) -> bytes:
    at = rng.randint(0, len(data))
    return data[:at] + rng.choice(WORDS) + data[at + rng.choice((0, 0, 1, 5)) :]


def _cell(rng: random.Random, data: bytes) -> bytes:
    """Another word between two commas."""
    cells = data.split(b",")
    cells[rng.randrange(len(cells))] = rng.choice(WORDS)
    return b",".join(cells)


def _lines(rng: random.Random, data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    if not lines:
        return data
    at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    match rng.randrange(4):
        case 0:
            del lines[at]
        case 1:
            lines.insert(other, lines[at])
        case 2:
            lines[at], lines[other] = lines[other], lines[at]
        case _:
            lines[at] = lines[at].rstrip(b"\r\n") + rng.choice((b"", b"\r", b"\n\n", b" ", b"\x0b\n", b"\x1c"))
    return b"".join(lines)


def _utf16(rng: random.Random, data: bytes) -> bytes:
    return data.decode("latin-1").encode(rng.choice(("utf-16", "utf-16-le", "utf-8-sig", "utf-7")), "replace")


BYTE_MUTATIONS: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    *(_flip, _flip, _random_bytes, _cut, _remove, _repeat, _word, _word, _cell, _cell, _lines, _lines),
    _utf16,
)


def damaged_value(rng: random.Random, value: object) -> object:
    """A copy of a plain value with one to three of its parts replaced, removed, repeated or wrapped."""
    whole = [copy.deepcopy(value)]
    for _ in range(rng.choice((1, 1, 2, 3))):
        if not whole:
            break
        holder: object = whole
        key: object = 0
        while isinstance(inside := holder[key], dict | list) and inside and rng.random() < 0.85:  # type: ignore[index]
            holder, key = inside, rng.choice(list(inside) if isinstance(inside, dict) else range(len(inside)))
        _change(rng, holder, key)
    return whole[0] if whole else None


def _change(rng: random.Random, holder: object, key: object) -> None:
    match rng.randrange(7):
        case 0:
            del holder[key]  # type: ignore[attr-defined]
        case 1 if isinstance(holder, list):
            holder.extend([copy.deepcopy(holder[key]) for _ in range(rng.choice((1, 3)))])
        case 2 if isinstance(holder, dict):
            holder[rng.choice(("", "more", "\ud800", "schema"))] = copy.deepcopy(holder[key])
        case 3:
            holder[key] = [holder[key]]  # type: ignore[index]
        case 4:
            holder[key] = nested(rng.choice((2, 50)))  # type: ignore[index]
        case _:
            holder[key] = copy.deepcopy(rng.choice(VALUES))  # type: ignore[index]


def as_json(rng: random.Random, value: object) -> bytes:
    """JSON, now and then deep or damaged as text too."""
    if rng.random() < 0.01:
        return b"[" * 100_000
    text = json.dumps(damaged_value(rng, value), ensure_ascii=rng.random() < 0.9)
    data = text.encode("utf-8", "surrogatepass")
    return damaged(rng, data) if rng.random() < 0.2 else data
