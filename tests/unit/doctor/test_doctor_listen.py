"""The process that uses torch stalls, dies or babbles: doctor says so and goes on."""

import sys

import pytest

from gesturelab.doctor.child import Request, listen
from gesturelab.doctor.facts import Comparison

REQUEST = Request(["model=small"], 1.0, every_size=False)
BEGIN = """
import json, os, signal, sys, time
def tell(kind, value):
    print("gesturelab-doctor " + json.dumps([kind, value]), flush=True)
torch = {"version": "2.9.1+rocm6.4", "cuda": None, "hip": "6.4", "threads": 4, "error": "",
         "gpus": [{"name": "MI250X", "memory_gib": 64.0, "free_gib": 63.0, "architecture": "gfx90a"}]}
shapes = [{"size": s, "hidden": 1, "layers": 1, "parameters": 1, "largest_batch": 1} for s in ("tiny", "small")]
"""
HALF = BEGIN + 'tell("torch", torch); tell("shapes", shapes); tell("computing", "small")\n'


def heard(script, patience_s=60.0):
    return listen(REQUEST, command=[sys.executable, "-c", script], patience_s=patience_s)


def test_all_that_is_told_is_kept_and_other_lines_are_not():
    sizes: list[str] = []
    script = (
        HALF + 'print("MIOpen(HIP): Warning"); print("{}")\n'
        'tell("comparison", {"size": json.load(sys.stdin)["overrides"][0], "device": "MI250X", "precision": "bf16",'
        ' "gradient_error": float("inf")})\ntell("not_compared", {"tiny": "why not"})'
    )
    found = listen(REQUEST, command=[sys.executable, "-c", script], working=sizes.append)
    assert found.torch is not None
    assert found.torch.gpus[0].name == "MI250X"
    assert [shape.size for shape in found.shapes] == ["tiny", "small"]
    assert found.comparisons == [Comparison("model=small", "MI250X", "bf16", gradient_error=float("inf"))]
    assert found.not_compared == {"tiny": "why not"}
    assert sizes[-3:] == ["small", "small", ""]


@pytest.mark.parametrize(
    ("accident", "words"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "died of SIGSEGV"),
        ("sys.exit('HIP error: no kernel image is available')", "exit status 1: HIP error: no kernel image"),
        ("time.sleep(1000)", "no answer within 10 s"),
    ],
)
def test_the_size_that_was_computed_when_it_ended_is_blamed(accident, words):
    found = heard(HALF + accident, patience_s=10.0 if "sleep" in accident else 60.0)
    (blamed,) = found.comparisons
    assert (blamed.size, blamed.device) == ("small", "MI250X")
    assert words in blamed.error
    assert found.not_compared == {"tiny": "not reached"}


def test_a_torch_that_dies_when_it_is_imported():
    found = heard(BEGIN + "os.kill(os.getpid(), signal.SIGABRT)")
    assert found.torch is None
    assert "died of SIGABRT" in found.torch_error
    told = heard(BEGIN + 'tell("torch_error", "libcudart.so.12: cannot open shared object file")')
    assert told.torch_error == "libcudart.so.12: cannot open shared object file"
