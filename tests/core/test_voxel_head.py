import itertools
from math import cos, pi, sqrt

import pytest
import reference
import torch
import toy
from torch.utils.flop_counter import FlopCounterMode

from intarsia.core.voxel_head import VoxelHead, cosines

PATCHES = [(6, 6, 5), (4, 3, 2), (1, 2, 7), (12, 12, 10)]


def head(patch=(4, 3, 5), channels=3, modes=4, dim=8) -> VoxelHead:
    torch.manual_seed(0)
    return toy.roughened(VoxelHead(dim, patch, channels, modes)).double()


def tokens(h=3, dim=8):
    return torch.randn(h, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("patch", PATCHES)
def test_chosen_cells_equal_the_dense_head(patch):
    module, x = head(patch), tokens(5)
    dense = module(x)
    assert dense.shape == (5, 3, patch[0] * patch[1] * patch[2])
    pairs = list(itertools.product(range(5), range(dense.shape[2])))
    token, cell = (torch.tensor(i) for i in zip(*pairs, strict=True))
    torch.testing.assert_close(module.at(x, token, cell), dense[token, :, cell], atol=1e-12, rtol=0)


def test_the_dense_head_equals_a_sum_over_modes_cell_by_cell():
    """Modes expanded first and mixed last, which is linear, so the order must not matter."""
    module, x = head((4, 3, 5)), tokens(2)
    i, j, k = module.size
    bx, by, bz = module.basis
    out = module(x)
    c = reference.linear(module.coefficients, reference.norm(module.norm, x))
    c = c.reshape(2, module.modes, i * j * k)
    for h in range(2):
        for number, (u, v, w) in enumerate(itertools.product(range(4), range(3), range(5))):
            modes = torch.zeros(module.modes, dtype=torch.float64)
            bias = 0.0
            for f, (a, b, d) in enumerate(itertools.product(range(i), range(j), range(k))):
                value = bx[u, a] * by[v, b] * bz[w, d]
                modes = modes + reference.norm(module.norm_modes, c[h, :, f]) * value
                bias = bias + value
            expected = module.mix.weight @ modes + module.mix.bias * bias + module.bias
            torch.testing.assert_close(out[h, :, number], expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("cells", [1, 2, 5, 12])
def test_the_basis_is_orthonormal(cells):
    for functions in range(1, cells + 1):
        table = cosines(cells, functions).double()
        torch.testing.assert_close(
            table.T @ table, torch.eye(functions, dtype=torch.float64), atol=1e-5, rtol=0
        )


def test_the_basis_is_the_cosine_transform():
    table = cosines(7, 4)
    for cell, k in itertools.product(range(7), range(4)):
        size = sqrt((1 if k == 0 else 2) / 7)
        assert float(table[cell, k]) == pytest.approx(
            size * cos(pi * (cell + 0.5) * k / 7), abs=1e-6
        )


def test_the_basis_has_as_many_functions_as_its_share_but_two_where_possible():
    assert VoxelHead(4, (12, 12, 10), 1, 2).size == (5, 5, 6)
    assert VoxelHead(4, (3, 1, 2), 1, 2).size == (2, 1, 2)


def test_gradients_of_both_ways_agree():
    module, x = head(), tokens()
    token, cell = torch.tensor([0, 2, 2]), torch.tensor([7, 0, 59])
    module(x)[token, :, cell].square().sum().backward()
    dense = [p.grad.clone() for p in module.parameters()]
    module.zero_grad()
    module.at(x, token, cell).square().sum().backward()
    for a, p in zip(dense, module.parameters(), strict=True):
        torch.testing.assert_close(a, p.grad, atol=1e-12, rtol=1e-10)


@pytest.mark.parametrize("patch", PATCHES)
def test_without_tokens_or_cells_nothing_comes_out(patch):
    module = head(patch)
    none = torch.zeros(0, dtype=torch.int64)
    assert module(tokens(0)).shape == (0, 3, patch[0] * patch[1] * patch[2])
    assert module.at(tokens(0), none, none).shape == (0, 3)
    assert module.at(tokens(2), none, none).shape == (0, 3)


def flops(patch, dense, modes=4):
    module, x = head(patch, modes=modes), tokens(4)
    token, cell = torch.tensor([0, 1, 1, 3]), torch.tensor([0, 1, 2, 3])
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(x) if dense else module.at(x, token, cell)
    return counter.get_total_flops()


def test_the_cost_of_chosen_cells_does_not_depend_on_the_cells_of_a_patch():
    small, large = (5, 5, 5), (6, 6, 5)
    assert head(small).size == head(large).size  # the same number of basis functions
    assert flops(small, dense=False) == flops(large, dense=False) > 0
    assert flops(small, dense=True) < flops(large, dense=True)


def test_the_cost_of_expanding_does_not_depend_on_the_modes():
    def expansion(modes):
        module, x = head((6, 6, 5), modes=modes), tokens(4)
        with FlopCounterMode(display=False) as whole, torch.no_grad():
            module(x)
        with FlopCounterMode(display=False) as first, torch.no_grad():
            module._channels(x)
        return whole.get_total_flops() - first.get_total_flops()

    assert expansion(2) == expansion(16) > 0
