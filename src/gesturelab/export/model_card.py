"""The model card: what a model is, on whom it was tested, and what it must not be used for.

It is Markdown with a block of metadata in front, as model hubs read it.
"""

from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from gesturelab.config.data import Span, Target
from gesturelab.config.options import target_of
from gesturelab.config.training import LSTMConfig
from gesturelab.export.contents import UNSURE_BELOW, Contents
from gesturelab.report.groups import split_name
from gesturelab.report.texts import percent
from gesturelab.runs.info import PACKAGES

LICENCES = {
    "irds": "IntelliRehabDS (Miron et al., *Data* 2021, 6(5), 46, [doi 10.3390/data6050046]"
    "(https://doi.org/10.3390/data6050046)), CC BY 4.0: cite its authors when you pass the model on.",
    "synthetic": "Made-up motion: no person's data.",
}
"""What the licence of a dataset asks of those who pass a model on."""

HUB_LICENCES = {"irds": "cc-by-4.0"}
"""The hub's name for the licence that a dataset asks of its models; ``unknown`` for others: its owner has to say it."""

WORSE, MOST_WEAKNESSES = 0.02, 3
"""Parts of the test recordings whose accuracy is lower by so much are weaknesses; so many are named."""


def metadata(contents: Contents) -> dict[str, Any]:
    """What a model hub finds a model by; each result says LEAKY or SYNTHETIC where the card does."""
    facts = contents.facts
    source, marks = facts["data"]["source"], [text.partition(":")[0] for text in contents.warnings]
    names = ("balanced_accuracy", "accuracy") if contents.target is Target.correctness else ("accuracy",)
    results = [
        {"type": name, "value": row[name], "name": ", ".join([name.replace("_", " "), row["part"], *marks])}
        for row in facts["tested"]
        for name in names
        if row[name] is not None
    ]
    task = {"type": "gesture-recognition", "name": f"Recognition of a {contents.target} from skeletons"}
    dataset = {"name": source, "type": source, "split": "test", "args": {"split": split_name(facts)}}  # type: ignore[arg-type]
    return {
        "license": HUB_LICENCES.get(source, "unknown"),
        "library_name": "gesturelab",
        "pipeline_tag": "other",  # the hub has no task for skeletons
        "tags": ["gesture-recognition", "skeleton", "time-series", contents.size, *map(str.lower, marks)],
        "datasets": [source],
        "metrics": list(names),
        "model-index": [{"name": contents.name, "results": [{"task": task, "dataset": dataset, "metrics": results}]}],
    }


def card(contents: Contents) -> str:
    """The model card of a model."""
    facts = contents.facts
    data, tested, target = facts["data"], facts["tested"], target_of(contents.model)
    groups = data.get("groups", {})

    def by_group(people: list[str]) -> str:
        known = [groups[person] for person in people if groups.get(person)]
        counts = [f"{known.count(group)} {group}" for group in sorted(set(known))]
        return f" ({', '.join(counts)})" if counts else ""

    whole = tested[0]["accuracy"]
    worst = [row for row in tested[1:] if row["accuracy"] is not None and row["accuracy"] < whole - WORSE]
    environment = Environment(
        loader=PackageLoader("gesturelab.export"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"percent": percent, "by_group": by_group}
    text = environment.get_template(
        "model_card.md"
    ).render(
        contents=contents,
        facts={"git": None, **facts},
        data=data,
        window=contents.window,
        whole=contents.window.span is Span.whole,
        of_correctness=contents.target is Target.correctness,
        network="An LSTM" if target == target_of(LSTMConfig) else f"A network `{target}`",
        split=split_name(facts),  # type: ignore[arg-type]
        worst=sorted(worst, key=lambda row: row["accuracy"])[:MOST_WEAKNESSES],
        incorrect_tested=any(row["part"].endswith("incorrect movements") for row in tested),
        default_threshold=UNSURE_BELOW,
        main_packages=("python", *PACKAGES),
        licence=LICENCES.get(
            data["source"], f"{data['source']}: ask whoever recorded them before you pass the model on."
        ),
    )
    return f"---\n{yaml.safe_dump(metadata(contents), sort_keys=False, allow_unicode=True)}---\n\n{text.lstrip()}"
