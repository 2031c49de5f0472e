"""The model card: what a model is, on whom it was tested, and what it must not be used for, as Markdown."""

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

WORSE, MOST_WEAKNESSES = 0.02, 3
"""Parts of the test recordings whose accuracy is lower by so much are weaknesses; so many are named."""


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
    return environment.get_template(
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
