"""The model card: what a model is, on whom it was tested, and what it must not be used for, as Markdown."""

from typing import Any

from gesturelab.config.data import Span, Target
from gesturelab.config.options import target_of
from gesturelab.config.training import LSTMConfig
from gesturelab.export.contents import UNSURE_BELOW, Contents
from gesturelab.report.groups import split_name
from gesturelab.report.texts import percent

LICENCES = {
    "irds": "IntelliRehabDS (Miron et al., *Data* 2021, 6(5), 46, [doi 10.3390/data6050046]"
    "(https://doi.org/10.3390/data6050046)), CC BY 4.0: cite its authors when you pass the model on.",
    "synthetic": "Made-up motion: no person's data.",
}
"""What the licence of a data set asks of those who pass a model on."""


def card(contents: Contents) -> str:
    """The model card."""
    parts = (
        _head(contents),
        _training(contents),
        _test(contents),
        _weaknesses(contents),
        _confidence(contents),
        _input(contents),
        _use(),
        _origin(contents),
    )
    return "\n\n".join(parts) + "\n"


def _head(contents: Contents) -> str:
    what = "whether a movement was done correctly" if contents.target is Target.correctness else "which gesture it was"
    lines = [
        f"# {contents.name}: a gesture recogniser of size `{contents.size}`",
        *(f"> **{text}**" for text in contents.warnings),
        f"Says of a skeleton recording {what}: {_listed(contents.classes)}. "
        f"{_network(contents)} with {contents.facts['parameters']:,} parameters, trained with gesturelab.",
        "**Not a medical device.** For research and engineering: nothing here was tested for, or may be used for, "
        "diagnosis, treatment or anybody's safety.",
    ]
    return "\n\n".join(lines)


def _network(contents: Contents) -> str:
    target = target_of(contents.model)
    return "An LSTM" if target == target_of(LSTMConfig) else f"A network `{target}`"


def _training(contents: Contents) -> str:
    data, split = contents.facts["data"], contents.facts["split"]
    people = split["train"]["subjects"]
    validation = split["validation"]
    return (
        "## Trained on\n\n"
        f"Data: {data['source']}. {split['train']['recordings']:,} recordings of {_people(people, data)}: "
        f"{', '.join(people)}.\n\n"
        f"Calibrated, and watched while training, on {validation['recordings']:,} recordings of "
        f"{_people(validation['subjects'], data)}: {', '.join(validation['subjects'])}."
    )


def _test(contents: Contents) -> str:
    split = contents.facts["split"]
    people = split["test"]["subjects"]
    who = (
        "**The same people are on both sides of this split**, so these numbers say nothing about new people."
        if split["leaky"]
        else f"On {len(people)} {'person' if len(people) == 1 else 'people'} whom the model had never seen, "
        f"{', '.join(people)} (split `{split_name(contents.facts)}`). They are few: other people may get other numbers."  # type: ignore[arg-type]
    )
    of_correctness = contents.target is Target.correctness
    more = ("balanced accuracy",) if of_correctness else ()
    head = ("", "people", "recordings", *more, "accuracy")
    rows = [
        (
            one["part"],
            f"{one['people']}",
            f"{one['recordings']:,}",
            *([percent(one["balanced_accuracy"])] if of_correctness else ()),
            percent(one["accuracy"]),
        )
        for one in contents.facts["tested"]
    ]
    line = "| " + " | ".join(["---", *["---:"] * (len(head) - 1)]) + " |"
    table = "\n".join([_row(head), line, *map(_row, rows)])
    return f"## Tested on\n\n{who}\n\n{table}"


def _weaknesses(contents: Contents) -> str:
    lines = [f"- {text}" for text in _weak_parts(contents.facts["tested"])]
    if contents.facts["data"]["source"] == "irds":
        lines.append(
            "- Incorrect movements are nearly all patients': how a movement was done and who did it can hardly be told "
            "apart in these data."
        )
    lines += [
        "- It knows no \"none of these\": whatever it is shown, it names one of its classes. Use `unsure`, and look at "
        "what it is unsure of.",
        f"- Other sensors, views, or joints found by other means than {contents.skeleton.name}'s were not tested.",
    ]  # fmt: skip
    return "## Known weaknesses\n\n" + "\n".join(lines)


def _weak_parts(rows: list[dict[str, Any]]) -> list[str]:
    """The parts that are recognised worst, in words."""
    whole = rows[0]["accuracy"]
    worst = [one for one in rows[1:] if one["accuracy"] is not None and one["accuracy"] < whole - 0.02]
    worst.sort(key=lambda one: one["accuracy"])
    found = [
        f"{one['part'].capitalize()}: {percent(one['accuracy'])} of {one['recordings']:,} recordings, of "
        f"{one['people']} {'person' if one['people'] == 1 else 'people'}, against {percent(whole)} of all."
        for one in worst[:3]
    ]
    incorrect = [one for one in rows if one["part"].endswith("incorrect movements")]
    if not incorrect:
        found.append("Incorrect movements were not tested.")
    return found


def _confidence(contents: Contents) -> str:
    fitted = (
        f"Below {contents.unsure_below:.3f} an answer counts as unsure: so were a tenth of the validation recordings."
        if contents.unsure_fitted
        else f"Below {UNSURE_BELOW} an answer counts as unsure: a plain default, since the run did not fit a threshold."
    )
    mirrored = " The mirror image of each window has a say." if contents.mirrored_classes is not None else ""
    return (
        "## How sure it is\n\n"
        f"Probabilities are the network's, averaged over a recording's windows, and not calibrated.{mirrored} "
        f"The confidence is: by a temperature of {contents.temperature:.3f}, fitted on validation people. {fitted}"
    )


def _input(contents: Contents) -> str:
    window = contents.window
    rate = "each recording's own rate" if window.rate_hz is None else f"{window.rate_hz:g} frames a second"
    cut = (
        f"The whole recording is brought to {window.length_frames} frames."
        if window.span is Span.whole
        else f"Windows of {window.length_frames} frames at {rate}, one every {window.stride_frames} frames."
    )
    return (
        "## What goes in\n\n"
        f"Positions in metres, frames x {len(contents.skeleton.joints)} joints x (x, y, z), y up and z away from the "
        f"sensor, at any rate. {cut} Centring, scaling and all else happens inside.\n\n"
        f"Joints, in this order: {', '.join(contents.skeleton.joints)}."
    )


def _use() -> str:
    return (
        "## Use it\n\n"
        "```python\n"
        "import gesturelab\n\n"
        'model = gesturelab.load("model.zip")\n'
        "answer = model.predict(positions, rate_hz=30)  # an array, frames x joints x 3\n"
        "print(answer.label, answer.confidence, answer.unsure, answer.top(3))\n"
        "```\n\n"
        "```console\n"
        "$ gesturelab predict model.zip recordings/ --csv answers.csv\n"
        "```"
    )


def _origin(contents: Contents) -> str:
    facts = contents.facts
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    git = facts.get("git")
    code = f" Code: commit {git['commit'][:12]}{', changed since' if git['dirty'] else ''}." if git else ""
    source = facts["data"]["source"]
    licence = LICENCES.get(source, f"{source}: ask whoever recorded them before you pass the model on.")
    return (
        f"## Licence and origin\n\nData: {licence}\n\n"
        f"Seed {facts['seed']}, trained with {versions}.{code} Recordings: `{facts['data']['fingerprint'][:16]}`. "
        "The rest stands in `bundle.json`."
    )


def _people(ids: list[str], data: dict[str, Any]) -> str:
    groups = [data.get("groups", {}).get(person) for person in ids]
    counts = [f"{groups.count(group)} {group}" for group in sorted({one for one in groups if one})]
    of = f" ({', '.join(counts)})" if counts else ""
    return f"{len(ids)} {'person' if len(ids) == 1 else 'people'}{of}"


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cells) + " |"
