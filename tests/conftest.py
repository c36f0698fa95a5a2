"""Fixtures of the whole suite."""

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    """Small tensors gain nothing from threads, and several suites may share a machine."""
    torch.set_num_threads(1)
