"""Strings: flavours and four-momentum of the hadrons are those of the ends."""

from collections import Counter

import numpy as np
import pytest
from particle import Particle

from intarsia.core.simulation import strings
from intarsia.core.simulation.random import seeded

LETTERS = {1: "d", 2: "u", 3: "s", 4: "c", 10: "dd", 11: "ud", 12: "uu"}


def quarks(letters):
    """Quarks less antiquarks, by flavour; mixtures of a quark and its antiquark have none."""
    if "(" in letters:
        return Counter()
    net = Counter()
    for letter in letters:
        net[letter.lower()] += 1 if letter.islower() else -1
    return net


def of_end(end):
    return Counter({k: np.sign(end) * n for k, n in quarks(LETTERS[abs(end)]).items()})


def plain(counter):
    return {k: n for k, n in counter.items() if n}


@pytest.mark.parametrize(
    ("forward", "backward", "extra"),
    [(2, 11, 0), (2, 12, 211), (4, 11, 0), (4, 12, 311), (-4, 2, 2112), (4, -4, 2212),
     (-4, 4, 2214), (-1, 2, 2212), (1, -3, 0),
     (3, 10, 0), (-11, 11, 0), (-2, 1, 3122)],
)  # fmt: skip
@pytest.mark.parametrize("w", [6.0, 60.0])
def test_hadrons_have_the_quarks_and_the_momentum_of_their_string(forward, backward, extra, w):
    expected = Counter(of_end(forward))
    expected.update(of_end(backward))
    mass = Particle.from_pdgid(extra).mass / 1e3 if extra else 0.0
    if extra:
        expected.update(quarks(Particle.from_pdgid(extra).quarks))
    rows, made = np.zeros((300, 6)), 0
    for i in range(150):
        n = strings.fragment(seeded(8, i), w, forward, backward, extra, mass, rows)
        made += n > 0
        net = Counter()
        for pdg in rows[:n, 4]:
            net.update(quarks(Particle.from_pdgid(int(pdg)).quarks))
        assert n == 0 or plain(net) == plain(expected)
        if n:
            assert np.abs(rows[:n, :4].sum(0) - [0.0, 0.0, 0.0, w]).max() < 1e-9 * w
    assert made > 140
