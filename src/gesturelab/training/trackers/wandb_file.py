"""Reads the file that Weights & Biases writes offline: records in the log format of LevelDB."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BLOCK = 32768
"""Bytes of a block; the file's own header takes the first seven of the first."""
HEADER = 7
"""Bytes before each piece of a record: a checksum, the length (two bytes) and which piece it is."""
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


def read_rows(path: Path) -> dict[int, dict[str, float]]:
    """The numbers that were logged, by step."""
    rows: dict[int, dict[str, float]] = {}
    for record in read_records(path):
        if record.WhichOneof("record_type") == "history":
            values = {
                item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in record.history.item
            }
            numbers = {key: value for key, value in values.items() if isinstance(value, (int, float)) and key[0] != "_"}
            rows.setdefault(record.history.step.num, {}).update(numbers)
    return rows


def read_records(path: Path) -> Iterator[Any]:
    """Each whole record, as Weights & Biases defines it; the last one of a killed process may be missing."""
    from wandb.proto import wandb_internal_pb2

    internal: Any = wandb_internal_pb2  # it makes its classes when it is imported

    for record in _records(path.read_bytes()):
        found = internal.Record()
        found.ParseFromString(record)
        yield found


def _records(data: bytes) -> Iterator[bytes]:
    at = HEADER
    record = b""
    while at + HEADER <= len(data):
        if BLOCK - at % BLOCK < HEADER:  # too little of the block is left for a piece
            at += BLOCK - at % BLOCK
            continue
        length, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        if kind not in (FULL, FIRST, MIDDLE, LAST) or at + HEADER + length > len(data):
            return
        piece = data[at + HEADER : at + HEADER + length]
        record = piece if kind in (FULL, FIRST) else record + piece
        at += HEADER + length
        if kind in (FULL, LAST):
            yield record
