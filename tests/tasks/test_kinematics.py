import numpy as np
import pytest
import torch
import toy
from attrs import evolve

from intarsia.core.errors import DeclarationError
from intarsia.core.task import View
from intarsia.tasks.kinematics import Kinematics

VIEW = View()
UNIT, MEDIAN, WIDTH = 2.0, 0.5, 0.8  # of toy.normalisation
NAMES = ("p_visible_beam", "p_jet_beam")


@pytest.fixture(scope="module")
def events():
    sample = toy.events(toy.DETECTOR, 10, seed=1)
    rng = np.random.default_rng(0)
    drawn = {k: (30 * rng.normal(size=(10, 3))).astype(np.float32) for k in NAMES}
    return evolve(sample, truth={**sample.truth, **drawn})


def worked(events, rough=True, **options):
    return toy.worked("kinematics", events, toy.DETECTOR, rough, **options)


def changed(events, **truth):
    return evolve(events, truth={**events.truth, **truth})


def four(p):
    """Coordinates of one momentum, written out."""
    x, y, z = map(float, p)
    size = np.sqrt(x * x + y * y)
    t = (np.log(1 + size / UNIT) - MEDIAN) / WIDTH
    longitudinal = (np.sign(z) * np.log(1 + abs(z) / UNIT) - MEDIAN) / WIDTH
    phi = np.arctan2(y, x) if size > 1e-6 * np.sqrt(x * x + y * y + z * z) else np.nan
    return np.array([np.cos(phi), np.sin(phi), t, longitudinal])


def smooth(d, beta):
    """Equation 3 of arXiv:1504.08083, quadratic below `beta`."""
    return np.where(np.abs(d) < beta, 0.5 * d**2 / beta, np.abs(d) - 0.5 * beta)


@pytest.mark.parametrize("beta", [1.0, 0.2])
def test_the_loss_is_that_of_the_coordinates_of_known_momenta(events, beta):
    visible, jet = (events.truth[n].copy() for n in NAMES)
    visible[[2, 7]] = np.nan
    jet[3, :2] = 0.0  # no direction in the plane
    jet[4] = [3e-6, -4e-6, 50.0]  # nor here, but for rounding
    losses, _, out, *_ = worked(changed(events, p_visible_beam=visible, p_jet_beam=jet), beta=beta)
    assert len(losses) == 6
    for i, (name, true) in enumerate({"visible": visible, "jet": jet}.items()):
        found = out["coordinates"][:, i].double().numpy()
        per = np.array([smooth(c - four(p), beta) for c, p in zip(found, true, strict=True)])
        assert np.isnan(per).sum() == (8 if name == "visible" else 4)
        for part, mine in {"phi": per[:, :2], "transverse": per[:, 2], "along": per[:, 3]}.items():
            assert float(losses[f"{name}_{part}"]) == pytest.approx(np.nanmean(mine), rel=1e-5)


def test_each_part_of_each_momentum_has_a_weight_of_its_own():
    weights = toy.built(toy.DETECTOR, toy.stage("kinematics")).weights.log_variance
    parts = [f"{p}_{c}" for p in ("visible", "jet") for c in ("phi", "transverse", "along")]
    assert set(weights) == {f"kinematics/{part}" for part in parts}


def test_coordinates_lead_there_and_back():
    task = toy.built(toy.DETECTOR, toy.stage("kinematics")).tasks["kinematics"].double()
    rng = np.random.default_rng(2)
    p = torch.from_numpy(rng.normal(size=(200, 2, 3)) * np.exp(rng.normal(0, 2, (200, 2, 1))))
    there = task.coordinates(p)
    np.testing.assert_allclose(there[5, 1].numpy(), four(p[5, 1]), rtol=1e-6)
    torch.testing.assert_close(task.momenta(there), p, atol=0, rtol=1e-10)
    backwards = p * torch.tensor([1.0, 1.0, -1.0])
    torch.testing.assert_close(task.momenta(task.coordinates(backwards)), backwards)


def test_phi_has_no_jump_at_pi(events):
    """Momenta on both sides of it are close in their coordinates, and cost little apart."""
    task = toy.built(toy.DETECTOR, toy.stage("kinematics")).tasks["kinematics"]
    just = torch.tensor([[[-5.0, 0.01, 1.0]] * 2, [[-5.0, -0.01, 1.0]] * 2])
    above, below = task.coordinates(just)
    torch.testing.assert_close(above, below, atol=0.005, rtol=0)


def test_a_pt_below_zero_becomes_zero_and_nothing_becomes_infinite():
    task = toy.built(toy.DETECTOR, toy.stage("kinematics")).tasks["kinematics"]
    wild = torch.tensor([[[0.3, 0.4, -9.0, 1e4], [0.0, 0.0, 1e4, -1e4]]])
    found = task.momenta(wild)
    assert torch.isfinite(found).all()
    assert found[0, 0, :2].tolist() == [0, 0]
    assert found[0, 1, 2] < 0 < found[0, 1, 0]


def test_at_the_start_momenta_are_the_medians(events):
    _, predictions, *_ = worked(events, rough=False)
    visible = predictions["prediction"][:, 0]
    typical = torch.tensor(UNIT * np.expm1(MEDIAN), dtype=torch.float32)
    torch.testing.assert_close(visible[:, :2].norm(dim=1), typical.expand(10), rtol=1e-2, atol=0)
    torch.testing.assert_close(visible[:, 2], typical.expand(10), rtol=1e-2, atol=0)


def test_the_lepton_is_visible_minus_jet(events):
    _, predictions, _, _, task = worked(events)
    found = predictions["prediction"]
    assert found.shape == (10, 3, 3)
    torch.testing.assert_close(found[:, 2], found[:, 0] - found[:, 1])
    true = task.target(toy.batch(toy.DETECTOR, events, VIEW)).numpy()
    np.testing.assert_array_equal(true[:, 0], events.truth["p_visible_beam"])
    np.testing.assert_array_equal(true[:, 2], true[:, 0] - events.truth["p_jet_beam"])


def test_real_data_have_no_target(events):
    task = toy.built(toy.DETECTOR, toy.stage("kinematics")).tasks["kinematics"]
    bare = evolve(events, truth={k: v for k, v in events.truth.items() if k != "p_jet_beam"})
    assert task.target(toy.batch(toy.DETECTOR, bare, VIEW)) is None


def test_scales_travel_with_the_weights():
    state = toy.built(toy.DETECTOR, toy.stage("kinematics")).tasks["kinematics"].state_dict()
    for name, value in {"unit": UNIT, "median": MEDIAN, "width": WIDTH}.items():
        torch.testing.assert_close(state[name], torch.full((2, 2), value))


def test_it_needs_both_momenta_and_says_what_is_none():
    kind = toy.registry().task("kinematics")
    assert kind.needs(Kinematics(), toy.DETECTOR).truth == NAMES
    with pytest.raises(DeclarationError) as error:
        toy.built(toy.DETECTOR, toy.stage(("kinematics", {"jet": "vertex"})))
    assert str(error.value) == ("event truth 'vertex' is not a momentum: a vector of width 3")


def test_gradients_stay_small_where_nothing_is_known_of_the_direction(events):
    """A head that starts near zero must not be thrown about by its own small numbers."""
    made = toy.built(toy.DETECTOR, toy.stage("kinematics"))
    total, _ = made(toy.batch(toy.DETECTOR, events, VIEW))
    total.backward()
    slope = made.tasks["kinematics"].head.out.bias.grad.reshape(2, 4)
    for found, name in zip(slope.numpy(), NAMES, strict=True):
        from_zero = np.array([-four(p) for p in events.truth[name]]) / Kinematics().beta
        per_event = np.clip(from_zero, -1, 1)
        wanted = per_event.mean(0) * [0.5, 0.5, 1, 1]  # phi is a mean over two numbers
        np.testing.assert_allclose(found, wanted, atol=1e-3)
        assert np.abs(found[:2]).max() < 0.5
