"""Files that several tests of detectors read."""

import pytest
from writers import pilarnet as writer


@pytest.fixture
def larcv3(tmp_path):
    writer.write_larcv3(tmp_path / "a.h5", writer.drawn(1))
    return tmp_path / "a.h5"


@pytest.fixture
def m(tmp_path):
    writer.write_m(tmp_path / "m.h5", writer.drawn(1))
    return tmp_path / "m.h5"
