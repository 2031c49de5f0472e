"""The server's pages: /predict, /model, /health and /metrics."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from pydantic import ValidationError

from gesturelab import __version__
from gesturelab.errors import RecordingError
from gesturelab.export.model import Model
from gesturelab.export.model_card import card
from gesturelab.serve.gate import FullError, Gate
from gesturelab.serve.schema import Answer, Class, Description, Health, Problem, Question, WindowAnswer

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


class _ProblemError(Exception):
    def __init__(self, status: int, text: str, **headers: str) -> None:
        super().__init__(text)
        self.status = status
        self.headers = headers


class _Figures:
    """What /metrics tells, in the format of Prometheus."""

    def __init__(self, gate: Gate) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter("gesturelab_requests", "Requests to /predict.", ["status"], registry=self.registry)
        self.seconds = Histogram(
            "gesturelab_answer_seconds", "Seconds in which the model answers a recording.", registry=self.registry
        )
        inside = Gauge(
            "gesturelab_requests_inside", "Requests that are read, wait or are answered.", registry=self.registry
        )
        inside.set_function(lambda: gate.inside)


def make_app(model: Model, limits: Limits) -> FastAPI:
    """The server of a model; one recording is answered at a time, with all threads of torch."""
    app = FastAPI(
        title="gesturelab",
        version=__version__,
        description="Answers skeleton recordings with one trained model. Not a medical device.",
        docs_url=None,  # its page would load scripts from another server
        redoc_url=None,
    )
    gate = Gate(limits.requests)
    figures = _Figures(gate)
    one_at_a_time = CapacityLimiter(1)
    contents = model.contents

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

    @app.get("/metrics")
    async def metrics() -> PlainTextResponse:
        return PlainTextResponse(generate_latest(figures.registry), media_type="text/plain; version=0.0.4")

    problems: dict[int | str, dict[str, Any]] = {status: {"model": Problem} for status in (408, 413, 422, 503)}
    schema = {
        "requestBody": {"required": True, "content": {"application/json": {"schema": Question.model_json_schema()}}}
    }

    @app.post("/predict", response_model=Answer, responses=problems, openapi_extra=schema)
    async def predict(request: Request) -> Response:
        def answer(body: bytes) -> str:
            question = Question.model_validate_json(body)
            began = time.perf_counter()
            if (seconds := len(question.positions) / question.rate_hz) > limits.recording_s:
                raise RecordingError(
                    f"it lasts {seconds:.4g} s; at most {limits.recording_s:g} s are answered at once: send it in parts"
                )
            answered = _answer(model, question)
            figures.seconds.observe(time.perf_counter() - began)
            return answered.model_dump_json()

        async def answered() -> Response:
            with gate.entered():
                body = await _read(request, limits)
                text = await to_thread.run_sync(answer, body, limiter=one_at_a_time)
            return Response(text, media_type="application/json")

        response = await _with_problems(answered, limits)
        figures.requests.labels(str(response.status_code)).inc()
        return response

    return app


async def _with_problems(answered: Callable[[], Awaitable[Response]], limits: Limits) -> Response:
    """The answer, or a problem in one sentence."""
    try:
        return await answered()
    except FullError:
        text = f"{limits.requests} requests are being answered already: come again in a second"
        return _problem(503, text, {"Retry-After": "1"})
    except _ProblemError as error:
        return _problem(error.status, str(error), error.headers)
    except ValidationError as error:
        return _problem(422, _mistakes(error))
    except RecordingError as error:
        return _problem(422, str(error))


def _problem(status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": text}, status, headers)


async def _read(request: Request, limits: Limits) -> bytes:
    """The body, if it is not too large and does not come too slowly."""
    most = limits.request_bytes
    too_large = _ProblemError(
        413,
        f"the request has more than {most:,} bytes: send shorter recordings, or serve with --max-mb",
        Connection="close",
    )
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
        raise _ProblemError(408, text, Connection="close") from None
    return bytes(body)


def _answer(model: Model, question: Question) -> Answer:
    found = model.predict(question.positions, question.rate_hz)
    windows = found.windows
    return Answer(
        label=found.label,
        confidence=found.confidence,
        unsure=found.unsure,
        top=[Class(label=label, probability=probability) for label, probability in found.top(question.top)],
        frames=found.frames,
        seconds=found.seconds,
        windows=[
            WindowAnswer(start_s=start, end_s=end, probabilities=row)
            for start, end, row in zip(
                windows.starts.tolist(), windows.ends.tolist(), windows.probabilities.tolist(), strict=True
            )
        ]
        if question.windows
        else None,
        warnings=model.warnings,
    )


def _mistakes(error: ValidationError) -> str:
    """The first mistakes of a request: where, and what."""
    if error.error_count() > MANY_ERRORS:
        return f"{error.error_count():,} mistakes: see /openapi.json for what a request must be"
    mistakes = error.errors(include_url=False, include_input=False)
    told = [f"{'.'.join(map(str, one['loc'])) or 'the request'}: {one['msg']}" for one in mistakes[:MOST_ERRORS]]
    more = f" (and {len(mistakes) - MOST_ERRORS} more)" if len(mistakes) > MOST_ERRORS else ""
    return "; ".join(told) + more
