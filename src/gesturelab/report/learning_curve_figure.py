"""A learning curve for a paper."""

from pathlib import Path
from typing import cast

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gesturelab.evaluation.learning_curve import AXES, LearningCurve, accuracy_with
from gesturelab.report.cost_figure import interval_ends
from gesturelab.report.figures import STYLE, colour_and_marker, save, shorten, whole_percents
from gesturelab.report.learning_curve import describe_gains
from gesturelab.runs.info import LEAKY, SYNTHETIC


def describe_curve(curve: LearningCurve) -> str:
    """What the figure shows, for those who do not see it too."""
    return (
        f"Accuracy on unseen people against the number of {AXES[curve.axis]}, with 95 % intervals over "
        f"people and the power law that fits, dashed where it goes on. {' '.join(describe_gains(curve))}"
    )


@rc_context(STYLE)
def draw_curve(curve: LearningCurve, path: Path) -> None:
    """Draws accuracy against the number of training people, or of recordings.

    Args:
        curve: Of one dataset.
        path: The file: PDF, SVG or PNG.

    Raises:
        RunError: If the file cannot be written.
    """
    figure = Figure(figsize=(6.2, 4.2))
    axes = figure.subplots()
    ends = [model.points[-1].count + (model.law.more if model.law else 0) for model in curve.models]
    apart = (max(ends) - min(model.points[0].count for model in curve.models)) / 60
    for place, model in enumerate(curve.models):
        style = colour_and_marker(place)
        shift = apart * (place - (len(curve.models) - 1) / 2)  # intervals of two models do not lie on each other
        for point in model.points:
            axes.plot([point.count + shift] * 2, interval_ends(point.accuracy), color=style["color"], linewidth=1.2)
        counts = [point.count + shift for point in model.points]
        values = [cast(float, point.accuracy["value"]) for point in model.points]
        axes.plot(
            counts, values, linestyle="", markersize=7, markeredgecolor="white", label=shorten(model.model), **style
        )
        if (law := model.law) is not None:
            last = model.points[-1].count
            for start, end, line in ((model.points[0].count, last, "-"), (last, last + law.more, "--")):
                along = np.linspace(start, end, 60)
                row = np.array([[law.floor, law.scale, law.exponent]])
                heights = [float(accuracy_with(row, count)[0]) for count in along.tolist()]
                axes.plot(along, heights, line, color=style["color"], linewidth=1.2)
    axes.set_xlabel(AXES[curve.axis])
    axes.set_ylabel("accuracy of recordings, unseen people (%)")
    axes.xaxis.set_major_locator(MaxNLocator(10, integer=True))
    whole_percents(axes.yaxis)
    axes.legend(frameon=False, loc="lower right")
    warned = [text for mark, text in (("LEAKY", LEAKY), ("SYNTHETIC", SYNTHETIC)) if mark in curve.data.split()]
    save(figure, path, "", warned, dpi=300)
