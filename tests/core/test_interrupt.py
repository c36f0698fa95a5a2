"""Interrupts that strike where Python ignores errors."""

import signal
import sys
import time
import weakref
from threading import Event

import pytest

from intarsia.core.cli import interrupt
from intarsia.core.cli.interrupt import never_lost


class Thing:
    pass


@pytest.fixture(autouse=True)
def as_in_a_terminal():
    """Ctrl-C interrupts, also where these tests run in the background, which has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    hook = sys.unraisablehook
    yield
    signal.signal(signal.SIGINT, before)
    assert sys.unraisablehook is hook


def lose(number, times=1):
    """Have the signal `number` strike in the callback of a weak reference, which ignores errors."""
    for _ in range(times):
        thing = Thing()
        reference = weakref.ref(thing, lambda _: signal.raise_signal(number))
        del thing
        assert reference() is None


def work(number=signal.SIGINT, times=1, after=lambda: None):
    with never_lost():
        lose(number, times)
        after()
        wait(30)


def wait(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.001)


@pytest.mark.parametrize("times", [1, 3])
def test_a_lost_interrupt_comes_again(times, capsys):
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        work(times=times)
    assert time.monotonic() - start < 10
    time.sleep(0.1)  # and only once: nothing strikes after the work has ended
    assert capsys.readouterr() == ("", "")


def test_it_wakes_a_main_thread_that_waits_by_then():
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        work(after=lambda: Event().wait(30))
    assert time.monotonic() - start < 10


def test_so_does_one_that_is_lost_again():
    class Deaf:
        def __del__(self):
            wait(0.1)

    with pytest.raises(KeyboardInterrupt):
        work(after=Deaf)  # where the second one strikes


def test_so_does_sigterm_where_it_alone_interrupts():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            work(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)


def test_whoever_takes_over_the_signal_meanwhile_hears_it(monkeypatch):
    monkeypatch.setattr(interrupt, "AGAIN", 1.0)
    heard = []
    with never_lost():
        lose(signal.SIGINT)
        signal.signal(signal.SIGINT, lambda *_: heard.append(True))
        wait(2)
    assert heard == [True]


def test_work_that_ends_before_is_not_interrupted(monkeypatch):
    monkeypatch.setattr(interrupt, "AGAIN", 1.0)
    with never_lost():
        lose(signal.SIGINT)
    wait(1.2)


def test_other_ignored_errors_are_reported_as_ever(monkeypatch):
    reported = []
    monkeypatch.setattr(sys, "unraisablehook", lambda ignored: reported.append(ignored.exc_value))
    with never_lost():
        thing = Thing()
        reference = weakref.ref(thing, lambda _: 1 / 0)
        del thing
        assert reference() is None
    assert [type(e) for e in reported] == [ZeroDivisionError]
