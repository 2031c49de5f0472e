"""What was measured on a GPU, as Markdown and JSON: the answers first, then a table for each part."""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from suite.gpu_worker import Result, Task
from suite.settings import SIZES

CLOSE = 0.95
"""A batch is recommended from this share of the best batch's rate on."""
NAMED = ("part", "size", "precision", "batch", "jobs")
"""Of a task, what tells it from others."""


@dataclass(frozen=True)
class Section:
    """A part's table.

    Attributes:
        part: Whose results.
        title: Its heading.
        note: What one must know to read it.
        named: The columns that name a measurement.
        figures: The heads of the others.
        row: A result's figures.
    """

    part: str
    title: str
    note: str
    named: tuple[str, ...]
    figures: tuple[str, ...]
    row: Callable[[Result, Result], tuple[str, ...]]

    def lines(self, machine: Result, results: list[Result]) -> Iterator[str]:
        """In Markdown; an error stands in the place of figures."""
        yield from (f"## {self.title}", "", self.note, "")
        head = (*self.named, *self.figures)
        yield f"| {' | '.join(head)} |"
        yield f"|{' --- |' * len(self.named)}{' ---: |' * len(self.figures)}"
        for result in results:
            nothing = [""] * (len(self.figures) - 1)
            figures = [result["error"], *nothing] if "error" in result else self.row(machine, result)
            yield f"| {' | '.join([*(str(result[key]) for key in self.named), *figures])} |"
        yield ""


def _step_figures(machine: Result, result: Result) -> tuple[str, ...]:
    limit, memory = peak(machine, result["precision"]), result["memory_gib"]
    share = result["windows_per_s"] * result["flops_per_window"] / limit / 1e12 if limit else None
    return (
        f"{result['windows_per_s']:,.0f}",
        "" if share is None else f"{share:.3f}",
        "" if memory is None else f"{memory:.2f}",
        result["lstm"],
    )


STEPS = Section(
    "steps",
    "Training steps",
    "Within `gesturelab train`, made-up recordings. The share is of the matrix product in the same precision (for "
    "float32 of TF32 where that is faster). The memory is the most that torch had allocated.",
    ("size", "precision", "batch"),
    ("windows/s", "share", "GiB", "the LSTM answers in"),
    _step_figures,
)
SECTIONS = (
    STEPS,
    replace(
        STEPS,
        part="native",
        title="Training steps without cuDNN or MIOpen",
        note="As above, with `trainer.cudnn=false`.",
    ),
    Section(
        "loops",
        "Lightning against other loops",
        "In turns. The bare loop is in the same precision; the original's way is in float32, with batches of 16 and "
        "`.item()` in each step.",
        ("size", "precision", "batch"),
        ("against a bare loop", "against the original's way", "Lightning, windows/s", "bare loop", "original's way"),
        lambda _, result: (
            f"{result['against_bare']:.2f}",
            f"{result['against_original']:.2f}",
            *(f"{result[key]:,.0f}" for key in ("windows_per_s", "bare_windows_per_s", "original_windows_per_s")),
        ),
    ),
    Section(
        "inference",
        "Inference",
        "One window at a time, and in batches as test windows are scored; positions are on the device already.",
        ("size", "precision", "batch"),
        ("one window, p50, ms", "p99, ms", "windows/s in batches"),
        lambda _, result: (f"{result['p50_ms']:.2f}", f"{result['p99_ms']:.2f}", f"{result['windows_per_s']:,.0f}"),
    ),
    Section(
        "folds",
        "Several trainings at once",
        "As many folds of `tiny` as run at once on the GPU (`hydra.launcher.jobs_per_gpu`), whole processes from start "
        "to finished run.",
        ("jobs",),
        ("trainings a minute", "s on the wall"),
        lambda _, result: (f"{result['trainings_per_minute']:.1f}", f"{result['wall_s']:.0f}"),
    ),
)


@dataclass
class Report:
    """All that was measured.

    Attributes:
        out: The Markdown file; the JSON file lies beside it.
        machine: What `suite.gpu_worker.measure_machine` says.
        results: Tasks with their results.
        left_out: Measurements for which there was no time.
    """

    out: Path
    machine: Result
    results: list[Result] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def add(self, task: Task, result: Result) -> None:
        """Takes a result, says it on the terminal and writes the files anew."""
        kept = {key: task[key] for key in NAMED if key in task} | result
        self.results.append(kept)
        print(f"{name_of(task)}: {_figure(kept)}", file=sys.stderr, flush=True)
        self.write()

    def of(self, part: str, **values: Any) -> list[Result]:
        """The results of a part, of those with some values."""
        wanted = {"part": part} | values
        return [result for result in self.results if wanted.items() <= {k: result.get(k) for k in wanted}.items()]

    def write(self) -> None:
        """Writes both files."""
        values = {"answers": self.answers(), **{key: value for key, value in vars(self).items() if key != "out"}}
        self.out.with_suffix(".json").write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
        self.out.write_text(self.render(), encoding="utf-8")

    def answers(self) -> list[str]:
        """What somebody wants to know first, a sentence each."""
        half, sentences = half_precision(self.machine), []
        for doctor in self.of("doctor"):
            sentences.append(f"`gesturelab doctor`: {doctor.get('error') or doctor['verdict']}")
            sentences += [f"`gesturelab doctor`: {finding}" for finding in doctor.get("bad", [])]
        for size in SIZES:
            steps = self.of("steps", size=size, precision=half)
            if (recommended := recommend(steps)) is not None:
                batch, rate, best = recommended
                tried = ", ".join(str(result["batch"]) for result in sorted(steps, key=lambda each: each["batch"]))
                sentences.append(
                    f"`model={size}` in {half}: `trainer.batch_size={batch}`, {rate:,.0f} windows/s, is the smallest "
                    f"batch within 5 % of the best, {best} (tried: {tried})"
                )
        if any("error" not in result for result in self.of("steps")):
            sentences.append(
                "A larger batch takes fewer steps an epoch: compare accuracy, with the learning rate searched again, "
                "before one becomes the default in conf/trainer"
            )
        if half != "bf16":
            sentences.append("This device has no bf16 of its own: use `trainer.precision=float16`")
        if folds := [result for result in self.of("folds") if "error" not in result]:
            best = max(folds, key=lambda result: result["trainings_per_minute"])
            ratio = best["trainings_per_minute"] / folds[0]["trainings_per_minute"]
            sentences.append(
                f"Most trainings a minute with `hydra.launcher.jobs_per_gpu={best['jobs']}`: "
                f"{best['trainings_per_minute']:.1f}, {ratio:.2f} times as many as with {folds[0]['jobs']}"
            )
        return sentences

    def render(self) -> str:
        """The Markdown file."""
        machine = self.machine
        products = ", ".join(f"{rate:.3g} in {kind}" for kind, rate in machine["tflops"].items())
        memory = f"{machine['memory_gib']} GiB; " if machine["memory_gib"] else ""
        lines = [f"# {machine['name']}", "", *(f"- {sentence}." for sentence in self.answers()), ""]
        lines += [
            f"{memory}{machine['library'] or 'no GPU'}; torch {machine['torch']}; {machine['cores']} cores of "
            f"{machine['cpu']}. Matrix product, TFLOP/s: {products}. Memory copy: {machine['copy_gb']:.0f} GB/s.",
            "",
        ]
        order = {size: place for place, size in enumerate(SIZES)}
        for section in SECTIONS:
            results = self.of(section.part)
            if section.part != "folds":
                results.sort(key=lambda each: (order[each["size"]], each["precision"], each["batch"]))
            lines += section.lines(machine, results) if results else []
        for doctor in self.of("doctor"):
            lines += ["## gesturelab doctor", "", *(f"- {line}" for line in doctor.get("lines", [])), ""]
        if self.left_out:
            lines += ["## Left out, for lack of time", "", *(f"- {name}" for name in self.left_out), ""]
        return "\n".join(lines)


def name_of(task: Task) -> str:
    """A task in a few words.

    >>> name_of({"part": "steps", "size": "tiny", "precision": "bf16", "batch": 64, "options": {}})
    'steps tiny bf16 batch 64'
    """
    words = [str(task[key]) for key in ("part", "size", "precision") if key in task]
    return " ".join([*words, *(f"{key} {task[key]}" for key in ("batch", "jobs") if key in task)])


def _figure(result: Result) -> str:
    """The figure of a result that is shown while measuring."""
    if "error" in result:
        return ": ".join(dict.fromkeys(filter(None, (result["error"], result.get("detail")))))
    texts = {
        "against_bare": "{:.2f} of a bare loop",
        "p50_ms": "{:.2f} ms a window",
        "windows_per_s": "{:,.0f} windows/s",
        "trainings_per_minute": "{:.1f} a minute",
        "verdict": "{}",
    }
    return next(text.format(result[key]) for key, text in texts.items() if key in result)


def recommend(steps: list[Result]) -> tuple[int, float, int] | None:
    """The smallest batch within 5 % of the best rate of those that were measured, its rate, and the best batch.

    >>> steps = [{"batch": batch, "windows_per_s": rate} for batch, rate in ((64, 50.0), (512, 96.0), (2048, 100.0))]
    >>> recommend([*steps, {"batch": 4096, "error": "out of memory"}])
    (512, 96.0, 2048)
    """
    rates = {result["batch"]: result["windows_per_s"] for result in steps if "error" not in result}
    if not rates:
        return None
    best = max(rates, key=rates.__getitem__)
    smallest = min(batch for batch, rate in rates.items() if rate >= CLOSE * rates[best])
    return smallest, rates[smallest], best


def half_precision(machine: Result) -> str:
    """What a training on this device should use."""
    return "bf16" if machine["native_bf16"] else "float16"


def peak(machine: Result, precision: str) -> float | None:
    """The matrix product's rate, 10^12 operations a second.

    cuDNN computes a float32 LSTM in TF32 where it can, and under autocast to bf16 in float16.
    """
    kinds = {"float32": ("float32", "tf32"), "bf16": ("bf16", "float16")}.get(precision, (precision,))
    return max((machine["tflops"][kind] for kind in kinds if kind in machine["tflops"]), default=None)
