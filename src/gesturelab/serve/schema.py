"""What goes in and comes out of the server; it checks requests by these, and its ``/openapi.json`` shows them."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, FailFast, Field

Coordinate = Annotated[float, Field(allow_inf_nan=False)]
Joint = Annotated[list[Coordinate], Field(min_length=3, max_length=3), FailFast()]
Frame = Annotated[list[Joint], FailFast()]
"""The first mistake is told: a request could hold millions."""


class Question(BaseModel):
    """One recording."""

    model_config = ConfigDict(extra="forbid")

    positions: Annotated[list[Frame], Field(min_length=1), FailFast()]
    """Frames x joints x (x, y, z) in metres, y up, z away from the sensor; joints in the order that /model gives."""
    rate_hz: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    """Frames a second."""
    top: Annotated[int, Field(ge=1, le=100)] = 3
    """How many classes to name."""
    windows: bool = False
    """Whether to tell each window's probabilities too."""


class Class(BaseModel):
    """A class and its probability."""

    label: str
    probability: float
    """Not calibrated."""


class WindowAnswer(BaseModel):
    """What one window says."""

    start_s: float
    end_s: float
    probabilities: list[float]
    """In the order of the classes that /model gives; not calibrated."""


class Answer(BaseModel):
    """What the model says of a recording."""

    label: str
    """The most probable class."""
    confidence: float
    """Its probability, calibrated on validation people."""
    unsure: bool
    """Whether the confidence is below the model's threshold."""
    top: list[Class]
    frames: int
    seconds: float
    windows: list[WindowAnswer] | None = None
    warnings: list[str]
    """What must be said wherever the model's numbers appear, such as LEAKY or SYNTHETIC."""


class Description(BaseModel):
    """What the model is."""

    name: str
    size: str
    classes: list[str]
    skeleton: str
    joints: list[str]
    unsure_below: float
    warnings: list[str]
    card: str
    """The model card, as Markdown: on whom it was tested, and what it must not be used for."""


class Health(BaseModel):
    """The server is up, and its model answers."""

    status: str
    model: str


class Problem(BaseModel):
    """Why there is no answer, and what to do."""

    error: str
