"""What is called true of simulated events of FASERCal: a test for each rule of docs/physics.md."""

import math
from itertools import product

import numpy as np
import pytest
from particle import Particle

from intarsia.core.simulation import charm, particles
from intarsia.core.simulation.decays import TAU
from intarsia.core.simulation.particles import GAMMA, MASS, MU_MINUS, kind_of
from intarsia.core.simulation.random import seeded
from intarsia.core.simulation.store import CELLS, COLUMNS, LIGHT, WAITING, clear, deposit
from intarsia.core.simulation.store import GENERATION as AGE
from intarsia.detectors.fasercal import FASERCAL, interaction, labels, simulation, upstream
from intarsia.detectors.fasercal.buffers import buffers
from intarsia.detectors.fasercal.generations import GENERATION_B
from intarsia.detectors.fasercal.interaction import CHARM, P_JET, P_VISIBLE, TRUTH_SIZE, VERTEX
from intarsia.detectors.fasercal.options import Options
from intarsia.detectors.fasercal.pileup import add_muons
from intarsia.detectors.fasercal.readout import ISOLATION, project, reconstruct, unravel
from intarsia.detectors.fasercal.truth import label

AT = (3.0, -2.0, -1190.0)  # mm, in the first cube of plastic
# Two particles of the decay of a charmed hadron by the class that each says, and that of both
CLEARER = [[0, 1, 2, 3], [1, 1, 2, 1], [2, 2, 2, 2], [3, 1, 2, 3]]
SAYS = {1: [11, -12, 321], 2: [-13, 14, 211], 3: [321, 211]}
CLASSES = {of.name: of.classes for of in FASERCAL.stream("3dcal").labels}
CHARMED = (421, 411, 431, 4122, 4232, 4132, 4332)


def row(pdg, *momentum):
    """A row of a generator."""
    mass = (Particle.from_pdgid(pdg).mass or 0.0) / 1e3
    return [*momentum, math.hypot(mass, *momentum), pdg, mass]


MU, NU, PION, PROTON = (
    *(row(13, 1.0, 2.0, 80.0), row(14, 1.0, 2.0, 80.0)),
    *(row(211, 0.3, -0.5, 20.0), row(2212, -0.2, 0.1, 3.0)),
)


@pytest.fixture
def space():
    found = simulation.workspace("balanced", "PVT")
    clear(found.store)
    return found


def waiting(space):
    return space.store.stack[: space.store.used[WAITING]].copy()


def left(space):
    return space.store.deposit[: space.store.used[CELLS]].sum(0)


def emerged(space, neutrino, charged, *rows, seed=0, tilt=0.0):
    """Truth of an interaction that makes `rows`, the lepton first, and what then waits."""
    clear(space.store)
    truth = np.zeros(TRUTH_SIZE)
    truth[:3], truth[VERTEX : VERTEX + 3] = (neutrino, charged, 200.0), AT
    state = seeded(3, seed)
    interaction.emerge(space.store, space.medium, tilt, state, np.array(rows), len(rows), truth)
    return truth, waiting(space)


def taus(space, energy, n):
    """Truth, and what waits, of decays of a tau along z; the store holds its own track."""
    for seed in range(n):
        clear(space.store)
        truth, tau = np.zeros(TRUTH_SIZE), np.array(row(15, 0.0, 0.0, energy))
        tau[5] = TAU
        state = seeded(4, seed)
        interaction._tau(space.store, space.medium, state, tau, AT, 1.0, 0.0, truth)
        yield truth, waiting(space)


def charmed(space, pdg, momentum, n):
    """What waits after decays of a charmed hadron along z; the store holds its own track."""
    which = charm.species(pdg)
    for seed in range(n):
        clear(space.store)
        hadron, state = np.array(row(pdg, 0.0, 0.0, momentum)), seeded(5, seed)
        interaction._charmed(space.store, space.medium, state, hadron, AT, 1.0, 0.0, which)
        yield waiting(space)


def test_flavour_by_current_neutrino_and_decay_of_the_tau():
    names = FASERCAL.truth[0].classes
    for neutrino, *expected in (
        (12, *["nue_cc"] * 6),
        (-14, *["numu_cc"] * 6),
        (-16, "nutau_cc_e", "nutau_cc_mu", *["nutau_cc_had"] * 4),
    ):
        modes = range(1, 7)
        assert [names[labels.flavour(True, neutrino, mode)] for mode in modes] == expected
        assert names[labels.flavour(False, neutrino, 0)] == "nc"


def test_a_muon_counts_before_an_electron_in_the_decays_of_charm():
    assert [[labels.clearer(a, b) for b in range(4)] for a in range(4)] == CLEARER
    for a, b in product(SAYS, SAYS):
        assert labels.charm(True, SAYS[a] + SAYS[b]) == CLEARER[a][b]
    assert labels.charm(False, SAYS[1]) == 0


def test_charm_is_the_class_of_the_clearest_lepton_of_all_charmed_hadrons(space):
    seen = set()
    for seed in range(200):
        pair = row(411, 0.0, 1.0, 30.0), row(-411, 1.0, 0.0, 30.0)
        truth, stack = emerged(space, 14, False, NU, *pair, seed=seed)
        lepton = {1: 1, 2: 1, 3: 2, 4: 2}
        classes = [lepton.get(int(kind), 3) for kind in stack[:, 0]]
        expected = 3
        for found in classes:
            expected = CLEARER[expected][found]
        assert truth[CHARM] == expected
        seen.add(frozenset(classes))
    assert {1, 2, 3} in seen  # also an electron and a muon together
    assert emerged(space, 14, False, NU, PION)[0][CHARM] == 0


@pytest.mark.parametrize(
    ("mode", "name"),
    [(1, "electromagnetic"), (2, "muonic"), *((mode, "hadronic") for mode in (3, 4, 5, 6))],
)
def test_a_tau_on_its_way_counts_as_what_it_decays_to(space, mode, name):
    classes = CLASSES["category"]
    assert classes[labels.category(np.array([15, -15]), mode)[0]] == name
    found = [
        left(space) for truth, _ in taus(space, 2e4, 150) if truth[interaction.TAU_MODE] == mode
    ]
    own = np.sum(found, 0)[:3]
    assert classes[own.argmax()] == name
    assert own.max() == own.sum() > 10


def test_the_tracks_of_a_tau_and_of_a_charmed_hadron_are_primary(space):
    for decays in (taus(space, 2e4, 20), charmed(space, 411, 2e4, 20)):
        for _ in decays:
            assert left(space)[3] == left(space)[:3].sum() > 0


@pytest.mark.parametrize("pdg", CHARMED)
def test_charmed_hadrons_leave_a_hadronic_track_if_they_are_charged(space, pdg):
    for _ in charmed(space, pdg, 2e4, 10):
        em, muonic, hadronic = left(space)[:3]
        assert em == muonic == 0
        assert (hadronic > 0) == (Particle.from_pdgid(pdg).charge != 0)


def test_what_is_visible_of_a_tau_is_all_but_its_neutrinos(space):
    modes = set()
    for truth, stack in taus(space, 50.0, 100):
        mass = MASS[stack[:, 0].astype(int)]
        p = 1e-3 * np.sqrt(stack[:, 7] * (stack[:, 7] + 2 * mass))[:, None] * stack[:, 4:7]
        np.testing.assert_allclose(truth[P_VISIBLE : P_VISIBLE + 3], p.sum(0), rtol=1e-3, atol=1e-3)
        modes.add(int(truth[interaction.TAU_MODE]))
    assert modes == {1, 2, 3, 4, 5, 6}


def test_the_jet_has_no_lepton_and_its_charmed_hadrons_are_undecayed(space):
    hadrons = PION, row(411, 0.4, 0.2, 30.0), row(-421, -0.1, 0.2, 10.0)
    jet = np.sum(hadrons, 0)[:3]
    for seed, (neutrino, lepton) in product(range(20), ((14, MU), (16, row(15, 0.0, 1.0, 50.0)))):
        truth, _ = emerged(space, neutrino, True, lepton, *hadrons, seed=seed)
        np.testing.assert_allclose(truth[P_JET : P_JET + 3], jet)


def test_jet_and_lepton_are_visible_and_a_neutrino_is_not(space):
    hadrons = PION, row(411, 0.4, 0.2, 30.0)
    jet = np.sum(hadrons, 0)[:3]
    for charged, lepton, seen in ((True, MU, MU[:3]), (False, NU, [0.0, 0.0, 0.0])):
        truth, _ = emerged(space, 14, charged, lepton, *hadrons)
        np.testing.assert_allclose(truth[P_VISIBLE : P_VISIBLE + 3], jet + seen)


def test_particles_of_the_vertex_are_of_the_first_generation(space):
    found = np.concatenate(
        [emerged(space, 14, True, MU, PION, PROTON, seed=i)[1] for i in range(9)]
    )
    assert len(found) > 3 * 9  # with nucleons of the nucleus
    assert (found[:, AGE] == 0).all()


def test_photons_of_a_neutral_pion_are_its_daughters(space):
    _, stack = emerged(space, 14, False, NU, row(111, 0.0, 1.0, 30.0))
    assert stack[stack[:, 0] == GAMMA, AGE].tolist() == [1, 1]


def test_daughters_of_a_tau_are_of_the_second_generation(space):
    found = np.concatenate([stack for _, stack in taus(space, 50.0, 100)])
    photon = found[:, 0] == GAMMA  # of neutral pions
    assert (found[~photon, AGE] == 1).all()
    assert (found[photon, AGE] == 2).all()


@pytest.mark.parametrize("pdg", [421, 411])
def test_daughters_of_charmed_hadrons_are_of_the_second_generation(space, pdg):
    found = np.concatenate(list(charmed(space, pdg, 50.0, 100)))
    assert (found[found[:, 0] != GAMMA, AGE] == 1).all()


def test_what_goes_along_the_beam_is_turned_into_the_frame_of_the_detector(space):
    beam = row(13, 0.0, 0.0, 80.0)
    _, stack = emerged(space, 14, True, beam, tilt=GENERATION_B.tilt)
    np.testing.assert_allclose(stack[0, 4:7], GENERATION_B.rotation.T @ [0, 0, 1], atol=1e-12)


def test_muons_that_cross_go_along_the_beam_as_background(space):
    s, n = space.store, 4000
    tilt = GENERATION_B.tilt
    made = add_muons(s.stack, s.used, seeded(1, 2), n, space.medium.grid, -1205.0, tilt)
    stack = waiting(space)
    assert made == len(stack) == pytest.approx(n, rel=0.1)
    beam = stack[:, 4:7] @ GENERATION_B.rotation.T
    np.testing.assert_allclose(beam.mean(0), [0, 0, 1], atol=5 * 0.005 / math.sqrt(n))
    assert np.isin(stack[:, 0], [MU_MINUS, particles.MU_PLUS]).all()
    assert (stack[:, AGE] == 2).all()


def test_classes_are_in_the_declared_order():
    places = labels.BACKGROUND, labels.PRIMARY, labels.SECONDARY
    names = [CLASSES["hierarchy"][i] for i in places]
    assert names == ["background", "primary", "secondary"]
    pdg = np.array([22, 11, -11, 13, -13, 211, 2112, 130])
    names = [*["electromagnetic"] * 3, *["muonic"] * 2, *["hadronic"] * 3]
    for kinds in (labels.category(pdg, 0), particles.CATEGORY[[kind_of(p) for p in pdg]]):
        assert [CLASSES["category"][k] for k in kinds] == names


def ghosts(voxel, slot, deposits):
    """Flags of voxels whose deposits are at `slot`."""
    flags, shares = np.zeros(len(voxel), np.int8), np.zeros((2, len(voxel), 3), np.uint16)
    label(voxel, slot, deposits, flags, *shares)
    return flags.tolist()


def test_less_than_a_kev_of_true_energy_makes_a_ghost():
    deposits = np.zeros((4, COLUMNS), np.float32)
    deposits[:, 0] = 0.98e-3, 1.02e-3, 0.3e-3, 0.4e-3  # MeV
    deposits[2:, 1] = deposits[2:, 2] = 0.32e-3  # all kinds together count
    deposits[:, LIGHT] = 50.0
    slot = np.arange(4, dtype=np.int32)
    assert ghosts(np.arange(4), slot, deposits) == [1, 0, 1, 0]


def test_cross_talk_is_no_deposit():
    b = buffers(12, 12, 40, 2)
    track = (5 * 12 + 5) * 40 + np.arange(20)  # along z at x = y = 5
    deposits, slot = np.zeros((20, COLUMNS), np.float32), np.full(12 * 12 * 40, -1, np.int32)
    deposits[:, [2, 3, LIGHT]] = 20.0
    slot[track] = np.arange(20)
    project(track, deposits, 20, 0.1, True, b)
    n = reconstruct(b, 0.0, 8)
    voxel, index = b.voxel[:n], np.empty((n, 3), int)
    unravel(voxel, 12, 40, index)
    struck = np.isin(voxel, track)
    beside = np.abs(index[:, :2] - 5).sum(1) == 1
    assert struck.sum() == 20
    assert beside.sum() == 80
    assert ghosts(voxel, slot, deposits) == (~struck).astype(int).tolist()


@pytest.mark.parametrize(("real", "kept"), [(19, False), (20, True)])
def test_events_with_fewer_than_twenty_voxels_that_are_no_ghosts_are_left_out(
    space, monkeypatch, real, kept
):
    s, voxel = space.store, np.arange(30)
    for v in voxel:
        energy = 1.0 if v < real else 0.5e-3
        deposit(s.slot, s.cell, s.deposit, s.used, int(v), 2, 0, energy, 1.0)
    space.buffers.voxel[:30] = voxel
    monkeypatch.setattr(simulation, "_reconstructed", lambda *_: 30)
    found = simulation._voxels(space, 1, 1, Options())
    assert (found is not None) == kept


def test_defaults_are_those_that_were_decided():
    """10 photo-electrons per MeV (fasercal_spec.md, 3.3); 3 % cross-talk; generation A's threshold."""
    o = Options()
    assert (o.photo_electrons, o.cross_talk, o.threshold) == (10.0, 0.03, 0.5)
    assert (o.solver, o.iterations) == ("mlem", 8)
    assert (o.noise, o.dead, o.pile_up) == (0.0, 0.0, 0.0)


def test_constants_of_the_collaborations_solver():
    """Numbers of rubbiaa/FASER, CoreUtils/TPORecoEvent.cc, as in fasercal_spec.md, 3.1 and 3.2."""
    assert upstream.THRESHOLD == 1e-3  # MeV, generation B: PS3D_ehit_threshold and evox_threshold
    assert upstream.SWEEPS == 150
    assert (upstream.CROWDED, upstream.EARLY) == (3000, 25)
    assert upstream.LEAST_SCORE == 10.0  # MeV
    assert (upstream.TOLERANCE, upstream.STEPS) == (1.0, 1000)
    assert upstream.RATE == 1 - 2 * 3 * 0.01  # learning rate 0.01, three views
    assert upstream.BIAS == 1.0 / 2  # half of the step of the forward difference
    assert ISOLATION == 1.0  # MeV, of six neighbours together
