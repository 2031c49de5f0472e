"""Twenty processes at once want the same folder, the same recordings, the same run."""

import json
import os
import pickle
import signal
import subprocess
import sys

import pytest

from gesturelab.config.composing import compose
from gesturelab.errors import BusyError
from gesturelab.runs.lifecycle import report_status
from gesturelab.runs.locking import LOCK
from gesturelab.runs.status import read_status
from processes import running

AT_ONCE = """
import sys, json, pickle
from pathlib import Path
from gesturelab.datasets.load import load
from gesturelab.runs.locking import make_new_folder
config = pickle.loads(Path("config").read_bytes())
sys.stdin.read()
dataset = load(config)
print(json.dumps([make_new_folder(Path("outputs/name/2026-11-22_14-00-00")).name, dataset.fingerprint]))
assert "torch" not in sys.modules
"""
HOLDER = """
import sys
from pathlib import Path
from gesturelab.runs.lifecycle import report_status
with report_status(Path(sys.argv[1]), 5):
    print("claimed", flush=True)
    sys.stdin.read()
"""


def test_each_of_twenty_runs_gets_its_own_folder_and_all_share_the_cache(tmp_path):
    config = compose(["data.people=3", "data.repetitions=1", "data.cache_dir=cache"]).data
    (tmp_path / "config").write_bytes(pickle.dumps(config))  # to compose it takes a second
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", AT_ONCE], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(20)
    ]
    for process in processes:
        process.stdin.close()  # go
        process.stdin = None
    answers = [json.loads(process.communicate()[0]) for process in processes]
    assert all(process.returncode == 0 for process in processes)
    numbered = [f"2026-11-22_14-00-00-{number}" for number in range(2, 21)]
    assert sorted(name for name, _ in answers) == sorted(["2026-11-22_14-00-00", *numbered])
    assert len({fingerprint for _, fingerprint in answers}) == 1
    assert len(list((tmp_path / "cache").iterdir())) == 1, "one entry, and nothing half-written"


def test_the_second_process_in_a_folder_is_told_of_the_first_and_a_crash_frees_it(tmp_path):
    with running(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout.readline() == "claimed\n"
        with pytest.raises(BusyError) as refusal, report_status(tmp_path, 5):
            raise AssertionError("the folder is taken")
        assert f"{tmp_path} is being trained by process {first.pid} on {os.uname().nodename}" in str(refusal.value)
        assert read_status(tmp_path)["pid"] == first.pid, "the first one's status is not touched"
        first.send_signal(signal.SIGKILL)
        first.wait()
    with report_status(tmp_path, 5):
        assert read_status(tmp_path)["attempt"] == 2
    assert (tmp_path / LOCK).exists()
