"""A real server on a free port of this machine, asked over sockets."""

import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection

import numpy as np
import pytest
import uvicorn

from gesturelab.cli.main import main
from gesturelab.errors import ConfigError
from gesturelab.export.load import model_of
from gesturelab.runs.info import SYNTHETIC
from gesturelab.serve.app import Limits, make_app

LIMITS = Limits(request_bytes=400_000, requests=4, read_s=1.0)


@pytest.fixture(scope="module")
def model(trained_run):
    return model_of(trained_run)


@pytest.fixture(scope="module")
def recording():
    draws = np.random.default_rng(0)
    still = draws.normal(0, 0.3, (1, 25, 3))
    return (still + draws.normal(0, 0.02, (40, 25, 3))).round(4).tolist()


class Served:
    """The address of a server, and how to ask it."""

    def __init__(self, port: int) -> None:
        self.port = port

    def ask(self, path, body=None, *, method=None):
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method or ("GET" if body is None else "POST"), path, body)
            response = connection.getresponse()
            return response.status, response.read().decode(), dict(response.getheaders())
        finally:
            connection.close()

    def predict(self, **question):
        status, text, _ = self.ask("/predict", json.dumps(question))
        return status, json.loads(text)


@pytest.fixture(scope="module")
def served(model):
    server = uvicorn.Server(uvicorn.Config(make_app(model, LIMITS), log_level="error", lifespan="off"))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(128)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield Served(listening.getsockname()[1])
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


def test_a_recording_gets_the_answer_of_python(served, model, recording):
    expected = model.predict(recording, 30)
    status, said = served.predict(positions=recording, rate_hz=30, top=2, windows=True)
    assert status == 200
    assert said["label"] == expected.label
    assert said["confidence"] == pytest.approx(expected.confidence)
    assert [(one["label"], pytest.approx(one["probability"])) for one in said["top"]] == expected.top(2)
    assert (said["frames"], said["seconds"]) == (40, pytest.approx(40 / 30))
    assert [one["probabilities"] for one in said["windows"]] == pytest.approx(expected.windows.probabilities)
    assert said["warnings"] == [SYNTHETIC]


def test_the_model_says_what_it_is(served, model):
    assert json.loads(served.ask("/health")[1]) == {"status": "ok", "model": model.contents.name}
    described = json.loads(served.ask("/model")[1])
    assert described["classes"] == list(model.classes)
    assert described["joints"] == list(model.skeleton.joints)
    assert "Not a medical device" in described["card"]


def test_the_schema_is_published(served):
    schema = json.loads(served.ask("/openapi.json")[1])
    body = schema["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["required"] == ["positions", "rate_hz"]
    frame = body["properties"]["positions"]["items"]
    assert (frame["minItems"], frame["maxItems"]) == (25, 25), "what validates is accepted"
    declared = schema["paths"]["/metrics"]["get"]["responses"]["200"]["content"]
    assert [kind.partition(";")[0] for kind in declared] == [
        served.ask("/metrics")[2]["content-type"].partition(";")[0]
    ]
    assert served.ask("/docs")[0] == 404


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"positions": []}, "positions"),
        ({"positions": [[[0, 0, 0]]]}, "25"),
        ({"positions": [[[0, 0]] * 25]}, "positions.0.0"),
        ({"positions": [[["x", 0, 0]] * 25]}, "positions.0.0.0"),
        ({"positions": [[[float("nan"), 0, 0]] * 25]}, "positions.0.0.0"),
        ({"positions": [[[900, 0, 0]] * 25]}, "metres"),
        ({"rate_hz": 0}, "rate_hz"),
        ({"rate_hz": None}, "rate_hz"),
        ({"rate": 30}, "rate"),
        ({"rate_hz": 1e-6}, "it lasts 4e+07 s; at most 600 s"),
        ({"positions": [[[]] * 25] * 2000}, "positions.0.0"),
        ({f"key {number}": 0 for number in range(200)}, "200 mistakes"),
    ],
)
def test_a_wrong_request_is_told_what_is_wrong(served, recording, change, text):
    status, said = served.predict(**{"positions": recording, "rate_hz": 30, **change})
    assert status == 422
    assert text in said["error"]
    assert served.predict(positions=recording, rate_hz=30)[0] == 200


@pytest.mark.parametrize("body", ["", "{", "[" * 100_000, "null", b"\xff\xfe", "[1, 2]"])
def test_what_is_not_json_is_refused(served, body):
    status, text, _ = served.ask("/predict", body, method="POST")
    assert status == 422
    assert json.loads(text)["error"]


def test_a_request_that_is_too_large_is_refused_before_it_is_read(served):
    connection = HTTPConnection("127.0.0.1", served.port, timeout=30)
    connection.putrequest("POST", "/predict")
    connection.putheader("Content-Length", str(10**12))
    connection.endheaders()
    response = connection.getresponse()
    assert response.status == 413
    assert "400,000 bytes" in json.loads(response.read())["error"]
    connection.close()


def test_a_request_without_a_length_is_refused_when_it_grows_too_large(served):
    connection = HTTPConnection("127.0.0.1", served.port, timeout=30)
    parts = (b" " * 50_000 for _ in range(9))
    connection.request("POST", "/predict", parts, {"Transfer-Encoding": "chunked"}, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()


def test_a_request_that_never_ends_is_given_up(served, recording):
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as slow:
        slow.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
        assert b"408" in slow.recv(1000).split(b"\r\n")[0]
    assert served.predict(positions=recording, rate_hz=30)[0] == 200


def test_more_requests_than_are_taken_on_are_told_to_come_again(served, model, recording, monkeypatch):
    go = threading.Event()
    answer = model.predict

    def waiting(positions, rate_hz):
        assert go.wait(60)
        return answer(positions, rate_hz)

    monkeypatch.setattr(model, "predict", waiting)
    question = json.dumps({"positions": recording, "rate_hz": 30})
    asked = 40
    with ThreadPoolExecutor(asked) as pool:
        replies = [pool.submit(served.ask, "/predict", question) for _ in range(asked)]
        refused = [reply for reply in _first(replies, asked - LIMITS.requests) if reply[0] == 503]
        assert f"gesturelab_requests_inside {LIMITS.requests}.0" in served.ask("/metrics")[1]
        go.set()
        statuses = sorted(reply.result()[0] for reply in replies)
    assert statuses == [200] * LIMITS.requests + [503] * (asked - LIMITS.requests)
    assert all(headers["retry-after"] == "1" for _, _, headers in refused)
    figures = served.ask("/metrics")[1]
    assert "gesturelab_requests_inside 0.0" in figures
    assert f'gesturelab_requests_total{{status="503"}} {asked - LIMITS.requests}.0' in figures


def _first(replies, count):
    """The results of those that are done first."""
    from concurrent.futures import as_completed

    done = as_completed(replies, timeout=60)
    return [next(done).result() for _ in range(count)]


def test_wrong_options_are_refused(trained_run):
    with pytest.raises(SystemExit):
        main(["serve"])
    from gesturelab.cli.serve import run

    with pytest.raises(ConfigError, match="--max-mb"):
        run([str(trained_run.path), "--max-mb", "0"])


def test_a_port_that_is_taken_is_told(served, trained_run, capfd):
    assert main(["serve", str(trained_run.path), "--port", str(served.port)]) == 1
    assert SYNTHETIC in capfd.readouterr().err
