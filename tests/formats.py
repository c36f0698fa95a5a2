"""Every foreign format there is, with its writer: what the tests of damage go through."""

from __future__ import annotations

from damage import Format
from writers import fasercal

from intarsia.detectors.fasercal import FASERCAL_A

FORMATS = (
    Format(
        name="fasercal_main",
        detector=FASERCAL_A,
        reader="npz",
        suffix=".npz",
        write=lambda path: fasercal.write_npz(path, fasercal.drawn(3)),
        columns="npz",
    ),
    Format(
        name="fasercal_develop_saul",
        detector=FASERCAL_A,
        reader="npz",
        suffix=".npz",
        write=lambda path: fasercal.write_npz(path, fasercal.newer(fasercal.drawn(4))),
        columns="npz",
    ),
)
