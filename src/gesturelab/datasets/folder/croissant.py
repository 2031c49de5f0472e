"""A folder of recordings described for search engines and data loaders, in MLCommons' Croissant 1.0 (JSON-LD)."""

import csv
from mimetypes import MimeTypes
from pathlib import Path
from typing import Any

from gesturelab.datasets.folder.labels import FILE, read_labels
from gesturelab.datasets.folder.read import MADE_UP
from gesturelab.errors import DataError
from gesturelab.files import sha256, write_json
from gesturelab.progress import show_progress

CROISSANT = "croissant.json"

_TERMS = (
    "citeAs column equivalentProperty extract field fileProperty fileObject fileSet format includes isLiveDataset "
    "jsonPath key md5 parentField path recordSet references regex repeated replace samplingRate separator source "
    "subField transform"
)
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{term: f"cr:{term}" for term in _TERMS.split()},
}

_MEANINGS = {
    "file": "The recording's file",
    "subject": "Who moves, as a code",
    "gesture": "Which movement it is",
    "group": "Which kind of person",
    "correctness": "Whether the movement was done correctly: correct, incorrect or poorly executed",
    "posture": "How the person stood or sat",
    "rate_hz": "Frames a second, of a file without times",
    "mirrored": "What the gesture becomes when left and right are swapped",
}


def describe_folder(root: Path, facts: dict[str, Any]) -> Path:
    """Writes ``croissant.json`` into a folder: what it holds, each file with its checksum, the columns of its table.

    Args:
        root: The folder, with its labels.csv.
        facts: What the folder does not tell, by the names of Croissant: ``license``, ``creator``, ``url`` and so on.

    Returns:
        The file.

    Raises:
        DataError: If the table is wrong, or there is such a file already.
        RunError: If it cannot be written.
    """
    path, labels = root / CROISSANT, read_labels(root, one_person=True)
    if path.exists():
        raise DataError(f"{path} is there already, and may have been edited: move it away first")
    with (root / FILE).open(encoding="utf-8-sig", newline="") as opened:
        header = next(csv.reader(opened))
    types = MimeTypes()
    files = [FILE, *(label.file for label in labels)]
    people, gestures = ({getattr(label, name) for label in labels} for name in ("subject", "gesture"))
    made_up = " MADE UP: nobody moved." if (root / MADE_UP).exists() else ""
    fields = [(name, name.strip().lower()) for name in header]
    if "creator" in facts:
        facts = facts | {"creator": {"@type": "sc:Person", "name": facts["creator"]}}
    description = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": root.resolve().name,
        "description": f"{len(labels)} recordings of {len(people)} people doing {len(gestures)} gestures, as positions "
        f"of a skeleton's joints, frame by frame; {FILE} has a line for each.{made_up}",
        **facts,
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": file,
                "name": file,
                "contentUrl": file,
                "encodingFormat": types.guess_type(file)[0] or "application/octet-stream",
                "sha256": sha256(root / file),
            }
            for file in show_progress(files, "computing checksums")
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "recordings",
                "name": "recordings",
                "description": "One record a recording.",
                "key": {"@id": "recordings/file"},
                "field": [
                    {
                        "@type": "cr:Field",
                        "@id": f"recordings/{name}",
                        "name": name,
                        "description": _MEANINGS.get(name, name),
                        "dataType": "sc:Float" if name == "rate_hz" else "sc:Text",
                        "source": {"fileObject": {"@id": FILE}, "extract": {"column": column}},
                    }
                    for column, name in fields
                ],
            }
        ],
    }
    write_json(path, description)
    return path
