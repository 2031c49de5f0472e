"""Signals that ask a process to leave."""

import os
import signal

import pytest

from gesturelab.errors import PreemptedError, StoppedError
from gesturelab.runs import signals as leave


@pytest.fixture(autouse=True)
def _as_before(monkeypatch):
    before = {number: signal.getsignal(number) for number in leave.SIGNALS}
    for name, value in (("_told", None), ("_patient", False), ("_listening", False)):
        monkeypatch.setattr(leave, name, value)
    monkeypatch.delenv("SUBMITIT_EXECUTOR", raising=False)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1", "SIGUSR2"])
def test_a_signal_ends_what_is_at_work_as_ctrl_c_would(name):
    leave.listen()
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.Signals[name])
    error = leave.stopped("; go on")
    assert isinstance(error, PreemptedError)
    assert str(error) == f"left on {name}; go on"
    assert error.exit_status == 75
    os.kill(os.getpid(), signal.Signals[name])  # a second one must not disturb the leaving


def test_who_is_patient_is_told_and_goes_on():
    leave.listen()
    with leave.defer_signals():
        os.kill(os.getpid(), signal.SIGUSR1)
        assert leave.told() is signal.SIGUSR1


def test_signals_come_back_from_a_library_that_took_them():
    leave.listen()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    leave.listen_again()
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGTERM)


def test_in_a_job_of_the_slurm_launcher_others_answer(monkeypatch):
    monkeypatch.setenv("SUBMITIT_EXECUTOR", "slurm")
    before = signal.getsignal(signal.SIGUSR2)
    leave.listen()
    assert signal.getsignal(signal.SIGUSR2) is before


def test_without_a_signal_it_was_ctrl_c():
    error = leave.stopped("; go on")
    assert type(error) is StoppedError
    assert str(error) == "stopped by Ctrl-C; go on"
    assert error.exit_status == 130
