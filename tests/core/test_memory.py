"""Freed memory that is given back."""

import ctypes
import platform
import subprocess
import sys

import pytest

from intarsia.core.memory import give_back

# MiB in memory: with arrays below a last one that is kept, without them, and after they were given back.
FREED = """
import os, numpy as np
from intarsia.core.memory import give_back

def used():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGESIZE") >> 20

arrays = [np.ones(1 << 13) for _ in range(4000)]
full = used()
del arrays[:-1]
freed = used()
give_back()
print(full, freed, used())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="not glibc")
def test_freed_memory_is_given_back():
    done = subprocess.run([sys.executable, "-c", FREED], check=True, capture_output=True, text=True)
    full, freed, after = map(int, done.stdout.split())
    assert freed > full - 50  # which is why it must be asked for
    assert after < full - 200


def test_another_c_library_is_not_asked(monkeypatch):
    asked = []
    monkeypatch.setattr(ctypes, "CDLL", lambda _: asked.append("without malloc_trim"))
    give_back()
    monkeypatch.setattr(sys, "platform", "darwin")
    give_back()
    assert asked == (["without malloc_trim"] if platform.system() == "Linux" else [])
