"""PILArNet: geometry and label orders against the published numbers."""

import numpy as np

from intarsia.detectors.pilarnet import (
    DETECTOR,
    FIVETYPES,
    PARTICLES,
    PILARNET,
    PILARNET_EVENT,
    SEMANTIC,
    TPC,
    WHOLE,
)  # fmt: skip


def test_patches_and_windows_are_those_of_the_benchmark():
    assert TPC.shape == (168, 168, 180)
    assert TPC.patches == (14, 14, 18)
    assert np.prod(TPC.patches) == 3528
    assert TPC.windows == (7, 7, 6)
    assert np.prod(TPC.windows) == 294


def test_the_padded_box_holds_the_whole_event():
    assert WHOLE.shape == (768, 768, 780)
    assert WHOLE.patches == (64, 64, 78)
    assert WHOLE.windows == (32, 32, 26)
    for padded, axis in zip(WHOLE.axes, DETECTOR, strict=True):
        assert (axis.n, axis.pitch, axis.start) == (768, 3, -1152)
        np.testing.assert_array_equal(padded.lower[:768], axis.lower)


def test_label_orders_are_those_of_the_releases():
    # PILArNet-M counts showers first, the original release heavily ionising tracks
    assert SEMANTIC == ("shower", "track", "michel", "delta", "low_energy")
    assert FIVETYPES == ("hip", "mip", "shower", "delta", "michel")
    assert PARTICLES == ("photon", "electron", "muon", "pion", "proton")
    assert PILARNET.label("pid").classes == PARTICLES
    labels = {label.name: label for label in PILARNET_EVENT.stream("tpc").labels}
    assert labels["semantic"].soft
    assert labels["pid"].soft


def test_crops_are_centred_on_the_middle_of_their_frame():
    for axis in TPC.axes:
        assert axis.lower[0] == -axis.lower[-1] - axis.pitch
