"""Signals that ask a process to leave."""

import os
import signal
import threading
import time

import pytest

from gesturelab.errors import PreemptedError, StoppedError
from gesturelab.runs import signals

ALL = (signal.SIGINT, *signals.PREEMPTIONS)


@pytest.fixture(autouse=True)
def _as_before(monkeypatch):
    before = {number: signal.getsignal(number) for number in ALL}
    for number in ALL:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    for name, value in (("_received", None), ("_received_at", 0.0), ("_handlers", {}), ("_answer", None)):
        monkeypatch.setattr(signals, name, value)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", ALL, ids=lambda number: number.name)
def test_a_signal_interrupts_nothing_until_the_process_looks(number):
    signals.listen(*ALL)
    try:
        os.kill(os.getpid(), number)
        time.sleep(0)
    except BaseException:  # as a logger or a library might
        pytest.fail("the handler raised")
    assert signals.received_signal() is number
    with pytest.raises(KeyboardInterrupt):
        signals.raise_if_received()
    with pytest.raises(KeyboardInterrupt):  # a look that somebody swallowed is not the last one
        signals.raise_if_received()


@pytest.mark.parametrize(("name", "status"), [("SIGTERM", 75), ("SIGUSR1", 75), ("SIGUSR2", 75), ("SIGINT", 130)])
def test_the_error_says_which_signal_it_was_and_the_exit_status_whether_to_try_again(name, status):
    signals.listen(*ALL)
    os.kill(os.getpid(), signal.Signals[name])
    os.kill(os.getpid(), signal.SIGUSR1)  # the first one counts
    error = signals.stop_error("; go on")
    assert str(error) == ("stopped by Ctrl-C; go on" if name == "SIGINT" else f"left on {name}; go on")
    assert isinstance(error, PreemptedError) == (status == 75)
    assert error.exit_status == signals.exit_status() == status


def test_without_a_signal_it_was_ctrl_c():
    assert type(signals.stop_error("")) is StoppedError
    signals.raise_if_received()


def test_ctrl_c_outside_a_block_ends_at_once_and_a_block_puts_everything_back():
    signals.listen()
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
    with signals.defer_signals():
        os.kill(os.getpid(), signal.SIGINT)
        assert signals.received_signal() is signal.SIGINT
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_notebook_that_was_stopped_can_train_again():
    with signals.defer_signals():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signals.received_signal() is None
    assert [signal.getsignal(number) for number in signals.PREEMPTIONS] == [signal.SIG_DFL] * 3


def test_somebody_elses_handler_stays():
    heard = []
    signal.signal(signal.SIGUSR2, lambda *_: heard.append(1))
    with signals.defer_signals():
        os.kill(os.getpid(), signal.SIGUSR2)
    assert heard == [1]
    assert signals.received_signal() is None


def test_a_second_ctrl_c_from_somebody_who_will_not_wait_interrupts(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(signals.time, "monotonic", lambda: now[0])
    with signals.defer_signals():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)  # one key, heard twice
        now[0] += 2 * signals.INSIST_S
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_signals_come_back_from_a_library_that_took_them():
    signals.listen()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signals.listen_again()
    os.kill(os.getpid(), signal.SIGTERM)
    assert signals.received_signal() is signal.SIGTERM


def test_a_job_of_a_queue_answers_once_in_its_own_way_and_stays_where_it_should(capfd):
    answered = []
    signals.answer_with(answered.append)
    signals.listen(signal.SIGINT, signal.SIGUSR2)
    signals.announce_and_ignore(signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGTERM)
    assert signals.received_signal() is None
    assert "SIGTERM: training on" in capfd.readouterr().err
    os.kill(os.getpid(), signal.SIGUSR2)
    signals.raise_if_received()
    signals.raise_if_received()
    assert answered == [signal.SIGUSR2]
    os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        signals.raise_if_received()


def test_waiting_ends_soon_after_a_signal():
    signals.listen()
    threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1)).start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        signals.sleep(60)
    assert time.monotonic() - began < 10


def test_patience_is_for_a_while(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(signals.time, "monotonic", lambda: now[0])
    signals.listen()
    os.kill(os.getpid(), signal.SIGUSR1)
    signals.raise_if_received(patience_s=10)
    now[0] += 11
    with pytest.raises(KeyboardInterrupt):
        signals.raise_if_received(patience_s=10)


def test_a_background_job_of_a_shell_goes_on_ignoring_ctrl_c():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signals.listen(*ALL)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
