"""Fixtures of the whole suite."""

import pytest
import torch


def pytest_sessionstart():
    """What a whole session shares is made before the fixture of the first module."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    """Small tensors gain nothing from threads; what a module before set does not matter."""
    torch.set_num_threads(1)


@pytest.fixture
def one_thread(monkeypatch):
    """Runs on one thread: two that share busy cores wait for each other most of the time."""
    monkeypatch.setattr("intarsia.core.run.share_cores", lambda *_: None)
