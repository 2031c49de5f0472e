"""How the probabilities of the player's recordings evolve: those of the windows, compactly."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gesturelab.errors import RunError
from gesturelab.evaluation.windows import WindowSeries, mean_series, read_windows
from gesturelab.files import sha256
from gesturelab.report.groups import Candidate, Group
from gesturelab.runs.folder import RunDir
from gesturelab.runs.info import is_peer

PEER = "A peer answers whole recordings only."
BEFORE = "The runs of this size have no windows_<size>.csv (gesturelab did not write one when they were trained)."


def series_of(
    groups: Sequence[Group], wanted: Mapping[int, set[str]]
) -> tuple[dict[tuple[int, str], WindowSeries], dict[int, str]]:
    """The windows of some recordings, averaged over the runs of a size that tested them.

    Args:
        groups: Of runs, as compared.
        wanted: For each group by its number the recordings' names.

    Returns:
        By size (its place among all) and recording; and for each size that has none the reason.
    """
    found: dict[tuple[int, str], WindowSeries] = {}
    absent: dict[int, str] = {}
    placed = [(group, candidate) for group in groups for candidate in group.candidates]
    for place, (group, candidate) in enumerate(placed):
        series, reason = _of_candidate(candidate, wanted.get(group.number, set()))
        found |= {(place, name): mean_series(those) for name, those in series.items()}
        if not series:
            absent[place] = reason
    return found, absent


def _of_candidate(candidate: Candidate, names: set[str]) -> tuple[dict[str, list[WindowSeries]], str]:
    series: dict[str, list[WindowSeries]] = {}
    reasons: list[str] = []
    for run in candidate.runs:
        path = RunDir(run.path, run.info["model"]["size"]).windows
        try:
            if path.exists() and sha256(path) != run.info.get("files", {}).get(path.name, sha256(path)):
                raise RunError(f"{path} is not the file that the run wrote (its SHA-256 differs from the info file's)")
            if path.exists():
                for name, one in read_windows(path, tuple(run.info.get("gestures", ())), names).items():
                    series.setdefault(name, []).append(one)
        except RunError as error:
            reasons.append(f"{error}.")
    return series, PEER if is_peer(candidate.runs[0].info) else reasons[0] if reasons else BEFORE


def encode_series(series: WindowSeries) -> dict[str, Any]:
    """Seconds, and whole per cent as bytes in base64, window by window."""
    shares = np.rint(100 * series.probabilities).clip(0, 100).astype(np.uint8)
    return {
        "starts": [round(one, 2) for one in series.starts.tolist()],
        "ends": [round(one, 2) for one in series.ends.tolist()],
        "said": base64.b64encode(shares.tobytes()).decode("ascii"),
    }
