"""How much better a run does on its training people than on test people."""

ADVICE = "smaller model, more dropout, more data, fewer epochs"
"""What to try against severe overfitting."""

BANDS = "below 5 % well balanced, from 5 % slight, from 10 % moderate, above 20 % severe (20 % itself is moderate)"
"""The bands in words."""

SEVERE = "severe"
"""The last band."""

UNDEFINED = "undefined: one class only"
"""In place of a band where there is no balanced accuracy."""


def gap(train: float | None, test: float | None) -> float | None:
    """Train minus test accuracy, as a fraction, rounded to nine places so that 0.9 - 0.8 is 0.1; None without one.

    >>> gap(0.9, 0.8)
    0.1
    """
    return None if train is None or test is None else round(train - test, 9)


def band(difference: float | None) -> str:
    """The word for a gap; a test accuracy above the train accuracy is well balanced too.

    >>> [band(value) for value in (-0.1, 0.0499, 0.05, 0.1, 0.2, 0.2001)]
    ['well balanced', 'well balanced', 'slight', 'moderate', 'moderate', 'severe']
    """
    if difference is None:
        return UNDEFINED
    if difference < 0.05:
        return "well balanced"
    if difference < 0.10:
        return "slight"
    if difference <= 0.20:
        return "moderate"
    return SEVERE
