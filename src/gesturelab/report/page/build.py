"""The whole page."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from gesturelab import __version__
from gesturelab.report.groups import Group
from gesturelab.report.page.html import paragraphs, text
from gesturelab.report.page.motion import Motions
from gesturelab.report.page.pictures import MOST_CURVES, curves, pictures
from gesturelab.report.page.player import WINDOW_BYTES, Player, player
from gesturelab.report.page.searches import searches_of, section
from gesturelab.report.page.sections import configurations, tables, verdict

MOST_BYTES = 4_800_000
"""What the whole page may take; a page can be sent by mail."""

MOTION_BYTES = 3_000_000
"""What the motion of the player's recordings may take."""


EVOLVING = (
    "Those of now are what the network says at this moment of the last window (or of all so far, if that is shorter), "
    "knowing nothing of what follows; the chart shows them over time."
)
STILL = (
    "They do not change while it plays: these runs keep no probabilities of single windows (windows_<size>.csv); runs "
    "trained with this version do."
)


def page(groups: Sequence[Group], report: dict[str, Any], motions: Mapping[str, Motions | str]) -> str:
    """One HTML file without any other file, script or font.

    Args:
        groups: Of runs that may be compared; at least one.
        report: Their comparison, as `gesturelab.report.table.comparison` gives it.
        motions: For each data fingerprint where motion is found, or why it is not.
    """
    runs = [run for group in groups for run in group.runs]
    names = ", ".join(sorted({run.info["name"] for run in runs}))
    drawn = "".join(picture.html for picture in pictures(groups, report))
    learning = curves(groups)
    left_out = (
        f" {MOST_CURVES} of {len(runs)} runs; each run's folder has its own." if len(runs) > len(learning) else ""
    )
    searched = section(searches_of(runs))
    last = max(str(run.info.get("finished", "?")) for run in runs)[:10]
    before = (
        f'<header><h1>{text(names)}</h1><p class="sub">gesturelab {text(__version__)}, {len(runs)} '
        f"run{'s' if len(runs) > 1 else ''}, the last finished on {text(last)}</p></header>\n"
        f"{_navigation(bool(searched))}<main>\n"
        f'<section id="verdict"><h2>Verdict</h2>\n{verdict(report)}</section>\n'
        f'<section id="tables"><h2>Tables</h2>\n<p class="sub onlyscreen">Click a heading to sort.</p>\n'
        f"{tables(report)}</section>\n{searched}"
    )
    after = (
        f'<section id="pictures"><h2>Pictures</h2>\n<div class="pictures">{drawn}</div>\n<details><summary>'
        f"Training curves.{left_out}</summary>"
        f'<div class="pictures">{"".join(picture.html for picture in learning)}</div></details></section>\n'
        f'<section id="configurations"><h2>Configurations</h2>\n{configurations(runs)}</section>\n</main>\n'
    )
    left = max(0, MOST_BYTES - len(before.encode()) - len(after.encode()) - 100_000)
    motion = min(MOTION_BYTES, int(0.8 * left))
    shown = player(groups, motions, motion, min(WINDOW_BYTES, left - motion))
    return _document(names, before + _player(shown) + after, shown)


def _navigation(searched: bool) -> str:
    parts = ["Verdict", "Tables", *(["Search"] if searched else []), "Recordings", "Pictures", "Configurations"]
    links = " ".join(f'<a href="#{part.lower()}">{part}</a>' for part in parts)
    return f'<nav aria-label="Parts of this page">{links}</nav>\n'


def _player(found: Player) -> str:
    reasons = [
        f"No motion for {count:,} recordings: {why}." if count else f"{why}." for why, count in found.absent.items()
    ]
    said = paragraphs(reasons, "missing")
    if not found.shown:
        reason = "there is no test recording to show" if not found.absent else "see above"
        said += paragraphs([f"The player is left out: {reason}."])
        return f'<section id="recordings"><h2>Recordings</h2>\n{said}</section>\n'
    right = found.tested - found.wrong
    said += paragraphs(
        [
            f"Shown: {found.shown_wrong:,} of the {found.wrong:,} recordings that a size misclassifies, and "
            f"{found.shown - found.shown_wrong:,} of the {right:,} others, spread evenly. "
            "Motion is at 10 frames a second.",
            "Probabilities of the whole recording are the mean over its windows and, with several seeds, the seeds. "
            + (EVOLVING if found.evolving else STILL),
        ],
        "sub",
    )
    return f'<section id="recordings"><h2>Recordings</h2>\n{said}{_asset("player.html")}</section>\n'


def _document(title: str, body: str, shown: Player) -> str:
    style = "\n" + _asset("page.css")
    script = "\n" + _asset("page.js") + _asset("player.js")
    policy = f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'"
    data = json.dumps(shown.data, ensure_ascii=True, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<link rel="icon" href="data:,">\n'
        f"<title>{text(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n{body}"
        f'<script type="application/json" id="motion">{data}</script>\n<script>{script}</script>\n</body>\n</html>\n'
    )


def _asset(name: str) -> str:
    return files("gesturelab.report.page").joinpath(name).read_text(encoding="utf-8")


def _hash(code: str) -> str:
    """How a content security policy names the one script or style that may be used."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'"
