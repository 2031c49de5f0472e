"""Which runs may be compared, and which size to take among those that may."""

import json
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any, cast

from gesturelab.config.options import TARGET
from gesturelab.evaluation.cross_validation import asked
from gesturelab.evaluation.metrics import CORRECTNESS, primary_metric
from gesturelab.report.collect import SUBSETS, Finished
from gesturelab.runs.info import Info, is_peer, target_of


@dataclass(frozen=True)
class Basis:
    """What two runs must share for their accuracies to be comparable; the level is always whole recordings.

    Folds are compared together, joined into one result: their basis leaves out what differs from fold to fold.

    Attributes:
        target: What is recognised: gesture or correctness.
        fingerprint: Of the recordings.
        kind: Of split.
        options: Of the split without the fold, as JSON with sorted keys.
        people: Of training, validation and test, in order of name; empty for folds.
        recordings: How many recordings each subset has (fewer when short ones were left out); empty for folds.
    """

    target: str
    fingerprint: str
    kind: str
    options: str
    people: tuple[tuple[str, ...], ...]
    recordings: tuple[int, ...]


def basis(info: Info) -> Basis:
    """The basis of a run; runs with equal ones are compared."""
    split = info["split"]
    folded = "fold" in split["options"]
    options = {key: value for key, value in split["options"].items() if not (folded and key in ("fold", "draw"))}
    return Basis(
        target_of(info),
        info["data"]["fingerprint"],
        split["kind"],
        json.dumps(options, sort_keys=True),
        () if folded else tuple(tuple(sorted(split[subset]["subjects"])) for subset in SUBSETS),
        () if folded else tuple(split[subset]["recordings"] for subset in SUBSETS),
    )


def differences(first: Basis, other: Basis) -> list[str]:
    """Why runs on two bases are not compared; empty when they are.

    >>> a = Basis("gesture", "f", "subject_holdout", '{"seed": 0}', (("1",), ("2",), ("3",)), (9, 3, 3))
    >>> differences(a, Basis("gesture", "f", "subject_holdout", '{"seed": 1}', (("1",), ("3",), ("2",)), (9, 3, 3)))
    ['other split options (seed 1, not 0)', 'other people']
    """
    reasons: list[str] = []
    if first.target != other.target:
        reasons.append(f"another task (data.target={other.target}, not {first.target})")
    if first.fingerprint != other.fingerprint:
        reasons.append("other recordings (data fingerprint)")
    if first.kind != other.kind:
        reasons.append(f"another split ({other.kind}, not {first.kind})")
    elif first.options != other.options:
        own, others = json.loads(first.options), json.loads(other.options)
        changed = [key for key in sorted(own | others) if own.get(key) != others.get(key)]
        listed = ", ".join(f"{key} {_short(others.get(key))}, not {_short(own.get(key))}" for key in changed)
        reasons.append(f"other split options ({listed})")
    if first.people != other.people:
        reasons.append("other people")
    elif first.recordings != other.recordings:
        reasons.append("other numbers of recordings")
    return reasons


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else text[:37] + "..."


@dataclass(frozen=True)
class Candidate:
    """A size trained with the same settings, once or with several folds and seeds.

    Attributes:
        size: The model option.
        label: The size; where a group has it with several settings, with what tells them apart.
        runs: At least one.
    """

    size: str
    label: str
    runs: tuple[Finished, ...]

    @property
    def parameters(self) -> int:
        """How many numbers are trained."""
        return self.runs[0].info["model"]["parameters"]

    @property
    def peer(self) -> bool:
        """Whether it is a method from elsewhere, not a size to choose."""
        return is_peer(self.runs[0].info)

    @property
    def lstm(self) -> bool:
        """Whether it is a size of gesturelab's LSTM: neither a peer nor another network, whose class is named."""
        return not self.peer and TARGET not in self.runs[0].info["model"]["hyperparameters"]

    @property
    def seconds(self) -> float:
        """Of one training, the mean over the runs."""
        return fmean(run.info["training"]["seconds"] for run in self.runs)

    @property
    def seeds(self) -> list[int]:
        """The runs' seeds, in order; each once."""
        return sorted({run.info["seed"] for run in self.runs})

    @property
    def target(self) -> str:
        """What it recognises: gesture or correctness."""
        return target_of(self.runs[0].info)

    def score(self, subset: str) -> float | None:
        """Mean over the runs of the recording accuracy on one subset.

        Of correctness the balanced accuracy: the mean of sensitivity and specificity, each a mean over the runs that
        have it, since the people of one fold may do everything correctly. None where no run has one of them.
        """
        scores = [cast(Any, run.info["metrics"])[subset]["recording"] for run in self.runs]
        keys = ("sensitivity", "specificity") if self.target == CORRECTNESS else (primary_metric(self.target).name,)
        values = [[part[key] for part in scores if part.get(key) is not None] for key in keys]
        if not all(values):
            return None
        return round(fmean(map(fmean, values)), 12)  # so that equal means tie whatever the order of adding


@dataclass(frozen=True)
class Group:
    """Runs that may be compared with each other.

    Attributes:
        number: From 1.
        basis: What they share.
        candidates: By parameters, then label; peers last.
    """

    number: int
    basis: Basis
    candidates: tuple[Candidate, ...]

    @property
    def runs(self) -> list[Finished]:
        """All runs, candidate by candidate."""
        return [run for candidate in self.candidates for run in candidate.runs]

    @property
    def on_shared_folds(self) -> tuple["Candidate", ...]:
        """The sizes with only those folds that all of them have: they are chosen on the same people."""
        sizes = self.sizes
        shared = (
            set[int | None].intersection(*({_fold(run) for run in size.runs} for size in sizes)) if sizes else set()
        )
        kept = [tuple(run for run in size.runs if _fold(run) in shared) for size in sizes]
        return tuple(replace(size, runs=runs) for size, runs in zip(sizes, kept, strict=True) if runs)

    @property
    def sizes(self) -> tuple["Candidate", ...]:
        """The candidates that one may choose: all but peers."""
        return tuple(candidate for candidate in self.candidates if not candidate.peer)

    @property
    def leaky(self) -> bool:
        """Whether the same people are on both sides."""
        return any(run.info["split"]["leaky"] for run in self.runs)

    @property
    def synthetic(self) -> bool:
        """Whether the motion is made up."""
        return any(run.info["data"]["synthetic"] for run in self.runs)

    @property
    def flags(self) -> list[str]:
        """LEAKY and SYNTHETIC, as far as they apply."""
        return _flags(self.leaky, self.synthetic)

    @property
    def folded(self) -> bool:
        """Whether the runs are folds, to be joined into one result."""
        return not self.basis.people

    @property
    def by_person(self) -> bool:
        """Whether results are over people: of folds, or of test people who are named, as in a published protocol."""
        return self.folded or (self.basis.kind == "named" and len(self.basis.people[-1]) > 1 and not self.leaky)

    @property
    def target(self) -> str:
        """What is recognised: gesture or correctness."""
        return self.basis.target

    @property
    def data(self) -> str:
        """The data set's name."""
        return self.runs[0].info["data"]["source"]

    @property
    def split(self) -> str:
        """Kind of split, with the fold if there is only one."""
        return self.basis.kind if self.folded else split_name(self.runs[0].info)


def flags(info: Info) -> list[str]:
    """LEAKY and SYNTHETIC, as far as they apply to a run."""
    return _flags(info["split"]["leaky"], info["data"]["synthetic"])


def _flags(leaky: bool, synthetic: bool) -> list[str]:
    return ["LEAKY"] * leaky + ["SYNTHETIC"] * synthetic


def split_name(info: Info) -> str:
    """Kind of split, with the fold if there is one."""
    split = info["split"]
    fold = split["options"].get("fold")
    return split["kind"] if fold is None else f"{split['kind']} fold {fold}"


def group_runs(finished: list[Finished]) -> list[Group]:
    """Runs that may be compared, together: honest splits first, then real data, then in the order found."""
    together: dict[Basis, list[Finished]] = {}
    for run in finished:
        together.setdefault(basis(run.info), []).append(run)
    groups = [Group(0, shared, candidates(runs)) for shared, runs in together.items()]
    order = sorted(groups, key=lambda group: (group.leaky, group.synthetic))
    return [replace(group, number=number) for number, group in enumerate(order, 1)]


def settings(info: Info) -> str:
    """All that was asked for besides seed, name and machine, as JSON; runs that differ in it are not averaged."""
    return json.dumps([asked(info)[key] for key in ("model", "window", "features", "training")], sort_keys=True)


def candidates(runs: list[Finished]) -> tuple[Candidate, ...]:
    """Runs of one group by size and settings; seeds and folds are runs of one candidate.

    Sizes come first, then peers; each by parameters, then label.
    """
    together: dict[str, list[Finished]] = {}
    for run in runs:
        together.setdefault(settings(run.info), []).append(run)
    members = [tuple(sorted(same, key=_place)) for same in together.values()]
    sizes = [same[0].info["model"]["size"] for same in members]
    names = [", ".join(sorted({run.info["name"] for run in same})) for same in members]
    named = [f"{size} ({name})" for size, name in zip(sizes, names, strict=True)]
    labelled: list[Candidate] = []
    for same, size, name in zip(members, sizes, named, strict=True):
        label = size if sizes.count(size) == 1 else name if named.count(name) == 1 else f"{size} ({same[0].label})"
        labelled.append(Candidate(size, label, same))
    return tuple(sorted(labelled, key=lambda candidate: (candidate.peer, candidate.parameters, candidate.label)))


def _fold(run: Finished) -> int | None:
    return run.info["split"]["options"].get("fold")


def _place(run: Finished) -> tuple[int, int, str]:
    return run.info["seed"], run.info["split"]["options"].get("fold") or 0, run.label


def best(those: tuple[Candidate, ...], subset: str) -> Candidate:
    """The highest score on one subset; among equals the fewest parameters, then the first label.

    To recommend a size, ask for ``validation``; ``test`` gives an optimistic choice.
    """
    return min(those, key=lambda candidate: (-(candidate.score(subset) or 0), candidate.parameters, candidate.label))
