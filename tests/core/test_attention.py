import pytest
import reference
import torch
import toy
from torch import nn

from intarsia.core.attention import Attention, Block, DropPath, Owners, lay, sine_table

torch.manual_seed(0)


def random(*shape):
    return torch.randn(*shape, dtype=torch.float64)


@pytest.mark.parametrize("heads", [1, 2, 6])
def test_attention_equals_a_plain_calculation(heads):
    module = toy.roughened(Attention(12, heads)).double()
    x, context = random(3, 5, 12), random(3, 7, 12)
    mask = torch.rand(3, 5, 7) < 0.7
    mask[..., 0] = True
    out = module(x, context, mask)
    for r in range(3):
        for i in range(5):
            alone = reference.attention(module, x[r, i : i + 1], context[r][mask[r, i]])
            torch.testing.assert_close(out[r, i : i + 1], alone, atol=1e-12, rtol=0)


@pytest.mark.parametrize("cross", [True, False])
def test_a_block_equals_a_plain_calculation(cross):
    module = toy.roughened(Block(12, 3, 2, cross=cross)).double()
    x = random(2, 4, 12)
    context = random(2, 6, 12) if cross else None
    mask = torch.ones(2, 1, 6 if cross else 4, dtype=torch.bool)
    out = module(x, mask, context)
    for r in range(2):
        alone = reference.block(module, x[r], context[r] if cross else None)
        torch.testing.assert_close(out[r], alone, atol=1e-12, rtol=0)


def test_gradients_of_a_block_are_right():
    module = toy.roughened(Block(4, 2, 1, cross=True)).double()
    mask = torch.tensor([[[True, True, False]]])
    x, context = random(1, 2, 4).requires_grad_(), random(1, 3, 4).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: module(a, mask, b), (x, context))


def test_bfloat16_stays_bfloat16_outside_and_close_to_float32():
    module = Attention(16, 2)
    x = torch.randn(2, 5, 16)
    mask = torch.ones(2, 1, 5, dtype=torch.bool)
    with torch.autocast("cpu", torch.bfloat16):
        half = module(x, x, mask)
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), module(x, x, mask), atol=0.05, rtol=0.05)


def test_drop_path_keeps_the_mean_and_whole_rows():
    drop = DropPath(0.3)
    x = torch.ones(20_000, 2, 3)
    out = drop(x)
    row = out.flatten(1)
    assert ((row == 0).all(1) | torch.isclose(row, torch.tensor(1 / 0.7)).all(1)).all()
    assert abs(float(out.mean()) - 1) < 5 * (0.3 / 0.7 / 20_000) ** 0.5
    assert drop.eval()(x) is x


def owners(n, shape, seed=0):
    """Slots of `n` events, some empty."""
    event = torch.randint(n + 1, shape, generator=torch.Generator().manual_seed(seed))
    return Owners(event, n)


def test_slots_of_an_event_drop_together_and_events_on_their_own():
    drop, n, trials = DropPath(0.25), 40, 500
    whose = owners(n, (30, 8))
    out = torch.stack([drop(torch.ones(30, 8, 1), whose)[..., 0].flatten() for _ in range(trials)])
    event = whose.event.flatten()
    fate = torch.stack([out[:, event == e].amax(1) for e in range(n)], 1)
    assert torch.equal(out[:, event < n], fate[:, event[event < n]])
    assert torch.isin(fate, torch.tensor([0, 1 / 0.75])).all()
    kept = (fate > 0).double()
    # Frequencies of independent draws of 0.75: of all events, of one, and of two together.
    assert abs(float(kept.mean()) - 0.75) < 4 * (0.75 * 0.25 / kept.numel()) ** 0.5
    assert (kept.mean(0) - 0.75).abs().max() < 4.5 * (0.75 * 0.25 / trials) ** 0.5
    assert torch.corrcoef(kept.T).fill_diagonal_(0).abs().max() < 5 / trials**0.5


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_block_leaves_dropped_events_alone_and_scales_the_others(seed):
    """Exactly, event by event, with the draws repeated here."""
    module = toy.roughened(Block(12, 3, 2, drop_path=0.4)).double().train()
    whose, keep, n = owners(20, (4, 6)), 0.6, 21
    x, mask = random(4, 6, 12), torch.ones(4, 1, 6, dtype=torch.bool)
    torch.manual_seed(seed)
    out = module(x, mask, owners=whose)
    torch.manual_seed(seed)
    attended, mixed = (torch.rand(n) < keep for _ in range(2))
    dropped = ~attended & ~mixed
    assert dropped[whose.event].any()
    assert (attended & mixed)[whose.event].any()
    assert torch.equal(out[dropped[whose.event]], x[dropped[whose.event]])
    for r in range(4):
        asked = reference.norm(module.norm, x[r])
        share = (attended[whose.event[r]].double() / keep)[:, None]
        y = x[r] + share * reference.attention(module.attention, asked, asked)
        hidden = reference.linear(module.mlp[0], reference.norm(module.norm_mlp, y))
        share = (mixed[whose.event[r]].double() / keep)[:, None]
        y = y + share * reference.linear(module.mlp[2], reference.gelu(hidden))
        torch.testing.assert_close(out[r], y, atol=1e-12, rtol=0)


def test_drop_path_of_rate_zero_draws_nothing():
    state = torch.get_rng_state()
    x = torch.ones(2, 2, 2)
    assert DropPath(0.0)(x) is x
    assert torch.equal(torch.get_rng_state(), state)


def test_items_are_laid_out_as_the_plan_says():
    x = torch.arange(6.0).reshape(3, 2)
    slot, mask = torch.tensor([2, 3, 0]), torch.zeros(2, 2)
    assert lay(x, slot, mask).tolist() == [[[4, 5], [0, 0]], [[0, 1], [2, 3]]]
    assert lay(x[:0], slot[:0], torch.zeros(1, 2)).tolist() == [[[0, 0], [0, 0]]]


@pytest.mark.parametrize("dim", [1, 2, 3, 5, 24, 31, 96])
@pytest.mark.parametrize("shape", [(4,), (3, 5), (2, 3, 4), (1, 1, 1)])
def test_a_sine_table_fits_any_width(shape, dim):
    table = sine_table(shape, dim)
    assert table.shape == (torch.Size(shape).numel(), dim)
    assert table.abs().max() <= 1
    if dim >= 2 * len(shape):
        assert len(torch.unique(table, dim=0)) == len(table)


def test_a_sine_table_holds_sines_of_each_axis():
    table = sine_table((3, 4), 8).reshape(3, 4, 8)
    for i in range(3):
        for j in range(4):
            rates = torch.tensor([1.0, 0.01])
            expected = torch.cat(
                [f(p * rates) for p in (torch.tensor(i), torch.tensor(j)) for f in (sin, cos)]
            )
            torch.testing.assert_close(table[i, j], expected)


sin, cos = torch.sin, torch.cos


def test_a_block_of_another_width_is_refused():
    with pytest.raises(RuntimeError):
        Block(12, 3, 2)(torch.zeros(1, 2, 10), torch.ones(1, 1, 2, dtype=torch.bool))
    assert isinstance(Block(12, 3, 2).norm, nn.LayerNorm)
