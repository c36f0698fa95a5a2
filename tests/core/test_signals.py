"""What workers do with signals that end a job."""

import os
import signal
from multiprocessing import get_context

import pytest

from intarsia.core.signals import ENDING, leave_to_parent


def echo(pipe):
    leave_to_parent()
    while True:
        pipe.send(pipe.recv())


@pytest.fixture
def worker():
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=echo, args=(theirs,), daemon=True)
    process.start()
    yield process, ours
    process.kill()


def works(pipe):
    pipe.send("are you there?")
    return pipe.poll(60) and pipe.recv() == "are you there?"


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_to_the_whole_group_leaves_a_worker_to_its_parent(worker, number):
    process, pipe = worker
    assert works(pipe)
    os.kill(process.pid, number)
    assert works(pipe)
    process.terminate()
    if number == signal.SIGINT:  # that was the first SIGTERM
        assert works(pipe)
        process.terminate()
    process.join(60)
    assert process.exitcode == -signal.SIGTERM
