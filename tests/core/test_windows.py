import numpy as np
import pytest
import reference
import torch
import toy
from attrs import evolve
from torch import nn

from intarsia.core.task import View
from intarsia.core.windows import Windows


def packed(row, view=View(), n=6, seed=1):  # noqa: B008
    """The plan of a batch with rows of that length, and random tokens for it, in float64."""
    model = evolve(toy.MODEL, row=row)
    events = toy.events(toy.GRID, n, seed)
    plan = toy.double(toy.batch(toy.GRID, events, view, model=model).plans[view]).streams["cubes"]
    torch.manual_seed(0)
    windows = toy.roughened(Windows(model, 2, (0.0, 0.0))).double()
    return windows, plan, torch.randn(len(plan.event), model.dim, dtype=torch.float64)


@pytest.mark.parametrize("row", [8, 11, 16, 64, 1000])
@pytest.mark.parametrize("ratio", [0.0, 0.75])
def test_windows_packed_in_rows_equal_each_window_alone(row, ratio):
    windows, plan, x_td = packed(row, View(mask_ratio=ratio))
    summaries, tokens = windows(x_td, plan)
    for i in range(len(plan.summary_event) // 2):
        event, window = plan.summary_event[2 * i], plan.summary_window[2 * i]
        inside = ((plan.event == event) & (plan.window == window)).nonzero()[:, 0]
        assert len(inside)
        x = torch.cat([windows.summary, x_td[inside]])
        for layer in windows.blocks:
            x = reference.block(layer, x)
        x = reference.norm(windows.norm, x)
        torch.testing.assert_close(summaries[2 * i : 2 * i + 2], x[:2], atol=1e-11, rtol=0)
        torch.testing.assert_close(tokens[inside], x[2:], atol=1e-11, rtol=0)


def test_every_active_window_has_its_summaries():
    _, plan, _ = packed(16)
    pairs = {(int(e), int(w)) for e, w in zip(plan.event, plan.window, strict=True)}
    own = list(zip(plan.summary_event.tolist(), plan.summary_window.tolist(), strict=True))
    assert set(own) == pairs
    assert len(own) == 2 * len(pairs)


def test_a_window_does_not_see_the_others_of_its_row():
    windows, plan, x_td = packed(64)
    x_td.requires_grad_()
    summaries, tokens = windows(x_td, plan)
    event, window = plan.summary_event[0], plan.summary_window[0]
    mine = (plan.event == event) & (plan.window == window)
    (tokens[mine].square().sum() + summaries[:2].square().sum()).backward()
    assert (x_td.grad[mine].abs().sum(1) > 0).all()
    assert (x_td.grad[~mine] == 0).all()
    slot = plan.slot[len(plan.summary_event) :]
    others = (slot // 64 == slot[mine][0] // 64) & ~mine
    assert others.any()  # or the test would show nothing


def test_what_stands_in_empty_slots_does_not_matter():
    windows, plan, x_td = packed(64)
    before = windows(x_td, plan)
    empty = (plan.document < 0).flatten().nonzero()[:1, 0]
    stray = evolve(plan, slot=torch.cat([plan.slot, empty]))  # one item more, in an empty slot
    summaries, tokens = windows(torch.cat([x_td, 7 * x_td[:1]]), stray)
    torch.testing.assert_close(summaries, before[0], atol=1e-11, rtol=0)
    torch.testing.assert_close(tokens[:-1], before[1], atol=1e-11, rtol=0)


def test_without_tokens_there_are_no_summaries():
    events = toy.no_rows(toy.events(toy.GRID, 2), toy.GRID, "cubes")
    plan = toy.batch(toy.GRID, events, View()).plans[View()].streams["cubes"]
    summaries, tokens = Windows(toy.MODEL, 2, (0.0, 0.0))(torch.zeros(0, toy.MODEL.dim), plan)
    assert summaries.shape == tokens.shape == (0, toy.MODEL.dim)


def test_a_stack_has_the_depth_asked_for():
    assert len(Windows(toy.MODEL, 1, (0.0, 0.1, 0.2)).blocks) == 1
    rates = [b.drop_path.rate for b in Windows(toy.MODEL, 2, (0.0, 0.1, 0.2)).blocks]
    assert rates == [0.0, 0.1]
    assert isinstance(Windows(toy.MODEL, 1, (0.0,)).norm, nn.LayerNorm)
    assert np.prod(toy.CUBES.windows) == 16
