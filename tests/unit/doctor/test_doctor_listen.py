"""The process that uses torch stalls, dies or babbles: doctor says so and goes on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gesturelab.doctor.child import Request, listen
from gesturelab.doctor.facts import Comparison, Gpu, Shape, Torch

REQUEST = Request(["model=small"], 1.0, every_size=False)


def tells_half(request):
    yield "torch", Torch("2.9.1+rocm6.4", hip="6.4", threads=4, gpus=(Gpu("MI250X", 64.0, 63.0, "gfx90a"),))
    yield "shapes", tuple(Shape(size, 1, 1, 1, 1) for size in ("tiny", "small"))
    yield "computing", "small"


def tells_all(request):
    yield from tells_half(request)
    print("MIOpen(HIP): Warning")
    yield "comparison", Comparison(request.overrides[0], "MI250X", "bf16", gradient_error=float("inf"))
    yield "not_compared", {"tiny": "why not"}


def crashes(request):
    yield from tells_half(request)
    os.kill(os.getpid(), signal.SIGSEGV)


def leaves(request):
    yield from tells_half(request)
    sys.exit("HIP error: no kernel image is available")


def stalls(request):
    yield from tells_half(request)
    time.sleep(1000)


def dies_at_once(request):
    os.kill(os.getpid(), signal.SIGABRT)
    yield


def cannot_import(request):
    yield "torch_error", "libcudart.so.12: cannot open shared object file"


def test_all_that_is_told_is_kept_and_what_is_printed_is_not(capfd):
    sizes: list[str] = []
    found = listen(REQUEST, work=tells_all, working=sizes.append)
    assert found.torch is not None
    assert found.torch.gpus[0].name == "MI250X"
    assert [shape.size for shape in found.shapes] == ["tiny", "small"]
    assert found.comparisons == [Comparison("model=small", "MI250X", "bf16", gradient_error=float("inf"))]
    assert found.not_compared == {"tiny": "why not"}
    assert sizes[-3:] == ["small", "small", ""]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("work", "words"),
    [
        (crashes, "died of SIGSEGV"),
        (leaves, "exit status 1: HIP error: no kernel image"),
        (stalls, "no answer within 10 s"),
    ],
)
def test_the_size_that_was_computed_when_it_ended_is_blamed(work, words):
    found = listen(REQUEST, work=work, patience_s=10.0 if work is stalls else 60.0)
    (blamed,) = found.comparisons
    assert (blamed.size, blamed.device) == ("small", "MI250X")
    assert words in blamed.error
    assert found.not_compared == {"tiny": "not reached"}


def test_a_torch_that_dies_when_it_is_imported():
    found = listen(REQUEST, work=dies_at_once)
    assert found.torch is None
    assert "died of SIGABRT" in found.torch_error
    told = listen(REQUEST, work=cannot_import)
    assert told.torch_error == "libcudart.so.12: cannot open shared object file"


def stalls_and_says_who_it_is(request):
    Path(request.overrides[0]).write_text(str(os.getpid()))
    yield from stalls(request)


def test_the_process_ends_when_doctor_is_killed(tmp_path):
    script = (
        "from gesturelab.doctor.child import Request, listen\n"
        "from test_doctor_listen import stalls_and_says_who_it_is\n"
        f"listen(Request([{str(tmp_path / 'number')!r}], 1.0, False), work=stalls_and_says_who_it_is)"
    )
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    doctor = subprocess.Popen([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": path})
    deadline = time.monotonic() + 60
    try:
        while not (tmp_path / "number").exists() or not (tmp_path / "number").read_text():
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        doctor.kill()
        doctor.wait()
    number = int((tmp_path / "number").read_text())
    while Path(f"/proc/{number}").exists() and ") Z" not in Path(f"/proc/{number}/stat").read_text():
        assert time.monotonic() < deadline, "it would go on using the GPU"
        time.sleep(0.02)
