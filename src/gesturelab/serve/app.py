"""The server of one model: what goes in and comes out, and its pages /predict, /model, /health and /metrics."""

import asyncio
import time
from dataclasses import dataclass
from typing import Annotated, Any

from anyio import CapacityLimiter, Semaphore, WouldBlock, to_thread
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from pydantic import BaseModel, ConfigDict, FailFast, Field, ValidationError

from gesturelab import __version__
from gesturelab.errors import RecordingError
from gesturelab.export.model import Model
from gesturelab.export.model_card import card

MOST_ERRORS = 3
"""So many mistakes of one request are named."""

MANY_ERRORS = 100
"""More are only counted."""


@dataclass(frozen=True)
class Limits:
    """What the server takes on.

    Attributes:
        request_bytes: Of one request at most.
        requests: At a time at most: read, waiting or answered.
        read_s: Seconds in which a request must have come in whole.
        recording_s: Seconds that a recording may last: others wait while it is answered.
    """

    request_bytes: int = 8 * 2**20
    requests: int = 32
    read_s: float = 30.0
    recording_s: float = 600.0


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
    """The most probable class; "none of these" where the server was started so and the movement is like none."""
    confidence: float
    """The most probable class's probability, calibrated on validation people."""
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


def make_app(model: Model, limits: Limits) -> FastAPI:
    """The server of a model; one recording is answered at a time, with all threads of torch."""
    app = FastAPI(
        title="gesturelab",
        version=__version__,
        description="Answers skeleton recordings with one trained model. Not a medical device.",
        docs_url=None,  # its page would load scripts from another server
        redoc_url=None,
    )
    free = Semaphore(limits.requests, fast_acquire=True)  # with the largest size of a request it bounds the memory
    one_at_a_time = CapacityLimiter(1)
    contents = model.contents
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    requests = Counter("gesturelab_requests", "Requests to /predict.", ["status"], registry=registry)
    answer_seconds = Histogram(
        "gesturelab_answer_seconds", "Seconds in which the model answers a recording.", registry=registry
    )
    inside = Gauge("gesturelab_requests_inside", "Requests that are read, wait or are answered.", registry=registry)
    inside.set_function(lambda: limits.requests - free.value)

    @app.get("/health", response_model=Health)
    async def health() -> Health:
        return Health(status="ok", model=contents.name)

    @app.get("/model", response_model=Description)
    async def describe() -> Description:
        return Description(
            name=contents.name,
            size=contents.size,
            classes=list(model.classes),
            skeleton=model.skeleton.name,
            joints=list(model.skeleton.joints),
            unsure_below=contents.unsure_below,
            warnings=model.warnings,
            card=card(contents),
        )

    @app.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> PlainTextResponse:
        return PlainTextResponse(generate_latest(registry), media_type="text/plain; version=0.0.4")

    problems: dict[int | str, dict[str, Any]] = {status: {"model": Problem} for status in (408, 413, 422, 503)}
    question = Question.model_json_schema()
    joints = len(model.skeleton.joints)
    question["properties"]["positions"]["items"] |= {"minItems": joints, "maxItems": joints}
    schema = {"requestBody": {"required": True, "content": {"application/json": {"schema": question}}}}

    @app.post("/predict", response_model=Answer, responses=problems, openapi_extra=schema)
    async def predict(request: Request) -> Response:
        def answer(body: bytes) -> str:
            question = Question.model_validate_json(body)
            began = time.perf_counter()
            if (seconds := len(question.positions) / question.rate_hz) > limits.recording_s:
                raise RecordingError(
                    f"it lasts {seconds:.4g} s; at most {limits.recording_s:g} s are answered at once: send it in parts"
                )
            answered = answer_question(model, question)
            answer_seconds.observe(time.perf_counter() - began)
            return answered.model_dump_json()

        async def read_and_answer() -> str:
            try:
                free.acquire_nowait()
            except WouldBlock:
                text = f"{limits.requests} requests are being answered already: come again in a second"
                raise HTTPException(503, text, {"Retry-After": "1"}) from None
            try:
                return await to_thread.run_sync(answer, await _read(request, limits), limiter=one_at_a_time)
            finally:
                free.release()

        try:
            response = Response(await read_and_answer(), media_type="application/json")
        except HTTPException as error:
            response = JSONResponse({"error": error.detail}, error.status_code, error.headers)
        except ValidationError as error:
            response = JSONResponse({"error": _mistakes(error)}, 422)
        except RecordingError as error:
            response = JSONResponse({"error": str(error)}, 422)
        requests.labels(str(response.status_code)).inc()
        return response

    return app


async def _read(request: Request, limits: Limits) -> bytes:
    """The body, if it is not too large and does not come too slowly."""
    most, close = limits.request_bytes, {"Connection": "close"}
    text = f"the request has more than {most:,} bytes: send shorter recordings, or serve with --max-mb"
    too_large = HTTPException(413, text, close)
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > most:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(limits.read_s):
            async for part in request.stream():
                body += part
                if len(body) > most:
                    raise too_large
    except TimeoutError:
        text = f"the request did not come in whole within {limits.read_s:g} s"
        raise HTTPException(408, text, close) from None
    return bytes(body)


def answer_question(model: Model, question: Question) -> Answer:
    """What a model says of a recording.

    Raises:
        RecordingError: If it cannot be answered.
    """
    prediction = model.predict(question.positions, question.rate_hz)
    windows = prediction.windows
    times = zip(windows.starts.tolist(), windows.ends.tolist(), windows.probabilities.tolist(), strict=True)
    return Answer(
        label=prediction.label,
        confidence=prediction.confidence,
        unsure=prediction.unsure,
        top=[Class(label=label, probability=value) for label, value in prediction.top(question.top)],
        frames=prediction.frames,
        seconds=prediction.seconds,
        windows=[WindowAnswer(start_s=start, end_s=end, probabilities=values) for start, end, values in times]
        if question.windows
        else None,
        warnings=model.warnings,
    )


def _mistakes(error: ValidationError) -> str:
    """The first mistakes of a request: where, and what."""
    if error.error_count() > MANY_ERRORS:
        return f"{error.error_count():,} mistakes: see /openapi.json for what a request must be"
    mistakes = error.errors(include_url=False, include_input=False)
    named = [f"{'.'.join(map(str, each['loc'])) or 'the request'}: {each['msg']}" for each in mistakes[:MOST_ERRORS]]
    more = f" (and {len(mistakes) - MOST_ERRORS} more)" if len(mistakes) > MOST_ERRORS else ""
    return "; ".join(named) + more
