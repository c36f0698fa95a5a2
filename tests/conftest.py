"""Fixtures of the whole suite."""

import pytest
import torch


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    """Small tensors gain nothing from threads; what a module before set does not matter."""
    torch.set_num_threads(1)
