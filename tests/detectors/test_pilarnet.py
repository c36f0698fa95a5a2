"""PILArNet: geometry and label orders against the published numbers, and simulated events."""

from time import process_time

import numpy as np
import pytest

from intarsia.core.errors import RunError
from intarsia.core.events import Events, checked
from intarsia.core.produce import produce
from intarsia.core.split import split_of
from intarsia.core.store import EventFile
from intarsia.detectors.pilarnet import (
    CELL,
    DETECTOR,
    FIVETYPES,
    PARTICLES,
    PILARNET,
    PILARNET_EVENT,
    SEMANTIC,
    TPC,
    WHOLE,
)  # fmt: skip
from intarsia.detectors.pilarnet.simulation import particles, whole


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


@pytest.fixture(scope="module")
def samples():
    return particles(3, 0, 40)


@pytest.fixture(scope="module")
def events():
    return whole(3, 0, 40)


def test_samples_are_what_the_declarations_say(samples, events):
    checked(samples, PILARNET)
    checked(events, PILARNET_EVENT)
    assert len(events) == 40
    assert 2 * 40 < len(samples) < 6 * 40
    assert np.bincount(samples.truth["pid"], minlength=5).min() > 10
    for tpc in (samples.streams["tpc"], events.streams["tpc"]):
        assert tpc["energy"].min() >= 0.01
        np.testing.assert_allclose(tpc["semantic"].astype(float).sum(1), 1, atol=2e-3)


def test_particles_of_an_event_share_group_vertex_and_split(samples):
    assert [int(k.split("/")[1]) for k in samples.keys] == samples.group.tolist()
    vertex = samples.truth["vertex"] + samples.streams["metadata"]["centre"]
    for number in np.unique(samples.group):
        mine = samples.group == number
        np.testing.assert_allclose(vertex[mine], vertex[mine][:1].repeat(mine.sum(), 0), atol=1e-3)
        assert len({split_of(k) for k, m in zip(samples.keys, mine, strict=True) if m}) == 1
    assert (np.abs(vertex) <= 1002.001).all()


def test_particles_and_whole_events_have_the_same_vertices(samples, events):
    np.testing.assert_allclose(
        events.truth["vertex"][np.searchsorted(events.group, samples.group)],
        samples.truth["vertex"] + samples.streams["metadata"]["centre"],
        atol=1e-3,
    )


def test_voxels_of_an_event_are_those_of_its_particles_and_specks():
    options = {"highest": 0.2, "highest_proton": 0.2}  # GeV: many of them stay in their crops
    samples, events = particles(3, 0, 40, **options), whole(3, 0, 40, **options)
    single, all_ = samples.streams["tpc"], events.streams["tpc"]
    half = 0.5 * np.array(TPC.shape) * CELL
    corner = np.rint((samples.streams["metadata"]["centre"] - half - DETECTOR[0].start) / CELL)
    place = single["index"] + corner.astype(int)[single.event]
    shape = len(events), *WHOLE.shape
    mine = np.ravel_multi_index((samples.group[single.event], *place.T), shape)
    theirs = np.ravel_multi_index((all_.event, *all_["index"].T), shape)
    at = np.searchsorted(theirs, mine)
    np.testing.assert_array_equal(theirs[at], mine)
    energy = all_["energy"].astype(float)
    left = energy - np.bincount(at, single["energy"].astype(float), minlength=len(theirs))
    assert left.min() > -1e-6 * energy.max()  # MeV: nothing is lost

    # What is left over are specks: parts of which half or more is of low energy. This is so where
    # no particle is too small for a sample of its own, and none leaves its crop.
    inside = samples.streams["metadata"]["outside"].ravel() == 0
    told = np.bincount(samples.group[inside], minlength=len(events))
    complete = (told == events.truth["particles"])[all_.event]
    assert complete.sum() > 5_000
    low = all_["semantic"].astype(float)[:, SEMANTIC.index("low_energy")]
    bound = 2 * (low + 2e-3 * (low > 0)) * energy  # shares are stored in half precision
    assert (left <= bound + 1e-6 * energy)[complete].all()
    assert left[complete].sum() > 100  # MeV: there are some


def test_labels_belong_together(events):
    tpc = events.streams["tpc"]
    semantic, five = tpc["semantic"].astype(float), tpc["fivetypes"]
    pure = semantic.max(1) > 0.999
    main = np.array(
        [{"hip": 1, "mip": 1, "shower": 0, "delta": 3, "michel": 2}[c] for c in FIVETYPES]
    )
    assert (main[five[pure & (five >= 0)]] == semantic[pure & (five >= 0)].argmax(1)).all()
    assert (semantic[pure & (five < 0)].argmax(1) == 4).all()
    pid = tpc["pid"].astype(float)
    known = ~np.isnan(pid[:, 0])
    assert (known == ~np.isnan(tpc["cluster"])).all()
    np.testing.assert_allclose(pid[known].sum(1), 1, atol=2e-3)
    heavy = known & (five == 0) & (pid[:, 4] > 0.999)
    assert heavy.sum() > 100  # protons are heavily ionising
    assert (five[(pid[:, 4] > 0.999) & pure] == 0).mean() > 0.9
    assert (semantic[(pid[:, 0] > 0.999)].argmax(1) == 0).mean() > 0.95  # photons shower


def test_events_do_not_depend_on_how_they_are_cut(samples):
    parts = Events.collate([particles(3, 0, 2), particles(3, 2, 0), particles(3, 2, 1)])
    assert parts.keys == samples.keys[: len(parts)]
    for name, table in parts.streams.items():
        for column, values in table.columns.items():
            same = samples.streams[name].slice(0, len(parts))[column]
            assert values.tobytes() == same.tobytes()


def test_single_particles_and_wrong_options():
    alone = particles(3, 0, 12, fewest=1, most=1)
    assert len(alone) == len(set(alone.group)) <= 12
    for make, name in ((particles, "pilarnet"), (whole, "pilarnet_event")):
        with pytest.raises(RunError, match=f"{name}: .* 'mst'; did you mean 'most'"):
            make(1, 0, 1, mst=3)
        with pytest.raises(RunError, match="most must be a whole number from 1 to 20"):
            make(1, 0, 1, most=0)
        with pytest.raises(RunError, match="fewest must be no more than most"):
            make(1, 0, 1, fewest=5, most=3)
    checked(particles(1, 0, 0), PILARNET)
    checked(whole(1, 0, 0), PILARNET_EVENT)


def test_a_file_of_particles_counts_events(tmp_path):
    made = produce(PILARNET, 6, 3, tmp_path / "p.h5", workers=1)
    file = EventFile(tmp_path / "p.h5")
    assert (made.events, made.left_out) == (6, 0)
    assert len(file.keys) > 12


@pytest.mark.slow
def test_a_thousand_particles_a_second():
    particles(1, 0, 10)
    begin = process_time()
    made = particles(1, 0, 300)
    assert len(made) / (process_time() - begin) > 1000
