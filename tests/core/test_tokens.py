import numpy as np
import pytest
import reference
import torch
import toy
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from intarsia.core.errors import DeclarationError
from intarsia.core.events import Table, cumulated
from intarsia.core.planner import grid_plan, track_plan
from intarsia.core.streams import Column, PointCloud, VoxelGrid
from intarsia.core.task import View
from intarsia.core.tokens import PatchEmbedding, tokeniser

COLUMNS = {
    "one": (Column(name="q", unit="MeV"),),
    "two": (Column(name="q", unit="MeV"), Column(name="t", unit="ns")),
    "wide": (Column(name="q", unit="MeV"), Column(name="p", unit="GeV/c", width=3)),
}


def grid_of(columns: str, base: VoxelGrid = toy.PLATES) -> VoxelGrid:
    return evolve(base, columns=COLUMNS[columns], labels=())


def random_table(grid: VoxelGrid, counts: list[int], seed: int) -> Table:
    rng = np.random.default_rng(seed)
    cells = [rng.choice(int(np.prod(grid.shape)), n, replace=False) for n in counts]
    flat = np.concatenate([*cells, np.zeros(0)]).astype(np.int64)
    index = np.stack(np.unravel_index(flat, grid.shape), 1).astype(np.int16)
    values = {
        c.name: rng.normal(size=(len(flat), *c.extra)).astype(np.float32) for c in grid.columns
    }
    return Table(cumulated(np.array(counts)), {"index": index, **values})


def plan_of(grid: VoxelGrid, table: Table, view: View = View()):  # noqa: B008
    scale = {c.name: {"mean": 0.0, "std": 1.0, "rms": 1.0} for c in grid.columns}
    plan = grid_plan(table, grid, scale, toy.MODEL, view, np.random.default_rng(0))
    return toy.double(plan)


def embedding(grid: VoxelGrid) -> PatchEmbedding:
    torch.manual_seed(1)
    return toy.roughened(PatchEmbedding(grid, toy.MODEL)).double()


@pytest.mark.parametrize("columns", COLUMNS)
@given(st.lists(st.integers(0, 60), min_size=1, max_size=3), st.integers(0, 2**32))
@settings(max_examples=15, deadline=None)
def test_the_patch_embedding_is_a_dense_convolution(columns, counts, seed):
    grid = grid_of(columns)
    table, embed = random_table(grid, counts, seed), embedding(grid)
    plan = plan_of(grid, table)
    tokens = embed.convolve(plan)
    values = np.concatenate(
        [table[c.name].reshape(-1, c.width) for c in grid.columns], 1, dtype=np.float64
    )
    for b in range(len(counts)):
        mine = table.event == b
        dense = reference.conv(
            embed,
            grid,
            torch.from_numpy(table["index"][mine].astype(np.int64)),
            torch.from_numpy(values[mine]),
        ).flatten(0, 2)
        own = plan.event == b
        torch.testing.assert_close(tokens[own], dense[plan.patch[own]], atol=1e-12, rtol=0)
        occupied = torch.zeros(len(dense), dtype=torch.bool)
        occupied[plan.patch[own]] = True
        # Patches that are not tokens hold nothing but the bias.
        torch.testing.assert_close(
            dense[~occupied], embed.bias.expand(int((~occupied).sum()), -1), atol=1e-12, rtol=0
        )


def test_tokens_add_the_place_inside_the_window():
    grid = grid_of("one")
    plan, embed = plan_of(grid, random_table(grid, [40], 3)), embedding(grid)
    torch.testing.assert_close(embed(plan) - embed.convolve(plan), embed.place[plan.place])


def test_the_gradient_of_the_weight_is_that_of_the_convolution():
    grid = grid_of("wide")
    table, embed = random_table(grid, [30], 4), embedding(grid)
    plan = plan_of(grid, table)
    cells = torch.from_numpy(table["index"].astype(np.int64))
    values = torch.from_numpy(
        np.concatenate([table[c.name].reshape(-1, c.width) for c in grid.columns], 1)
    ).double()
    kernel = embed.to_spconv(grid).permute(0, 4, 1, 2, 3).clone().requires_grad_()
    dense = values.new_zeros(values.shape[1], *grid.shape)
    dense[:, cells[:, 0], cells[:, 1], cells[:, 2]] = values.T
    out = torch.nn.functional.conv3d(dense[None], kernel, stride=grid.patch)[0]
    out.permute(1, 2, 3, 0).flatten(0, 2)[plan.patch].square().sum().backward()
    (embed.convolve(plan) - embed.bias).square().sum().backward()
    expected = kernel.grad.permute(0, 2, 3, 4, 1).flatten(1).T
    torch.testing.assert_close(embed.weight.grad, expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("columns", COLUMNS)
def test_spconv_weights_go_there_and_back(columns):
    grid = grid_of(columns)
    one, two = embedding(grid), PatchEmbedding(grid, toy.MODEL).double()
    weight = one.to_spconv(grid)
    assert weight.shape == (toy.MODEL.dim, *grid.patch, one.columns)
    two.from_spconv(weight)
    assert torch.equal(one.weight, two.weight)
    assert torch.equal(two.to_spconv(grid), weight)


@pytest.mark.parametrize("columns", COLUMNS)
def test_the_patch_embedding_equals_spconv(columns):
    spconv = pytest.importorskip("spconv.pytorch", reason="spconv is not installed")
    assert torch.get_num_threads() == 1  # with more, spconv on a CPU is wrong at random
    grid = grid_of(columns, toy.CUBES)
    table, embed = random_table(grid, [200, 50], 5), embedding(grid).float()
    plan = plan_of(grid, table).each(lambda x: x.float() if x.is_floating_point() else x)
    values = torch.from_numpy(
        np.concatenate([table[c.name].reshape(-1, c.width) for c in grid.columns], 1)
    )
    where = np.concatenate([table.event[:, None], table["index"]], 1).astype(np.int32)
    conv = spconv.SparseConv3d(
        embed.columns, toy.MODEL.dim, grid.patch, stride=grid.patch, bias=False
    )
    with torch.no_grad():
        conv.weight.copy_(embed.to_spconv(grid))
        out = conv(spconv.SparseConvTensor(values.float(), torch.from_numpy(where), grid.shape, 2))
        ours = embed.convolve(plan) - embed.bias
    theirs = {tuple(i): f for i, f in zip(out.indices.tolist(), out.features, strict=True)}
    for t in range(len(ours)):
        place = np.unravel_index(int(plan.patch[t]), grid.patches)
        torch.testing.assert_close(
            ours[t], theirs[(int(plan.event[t]), *map(int, place))], atol=1e-4, rtol=1e-4
        )


def test_the_kernel_begins_as_xavier_has_it():
    torch.manual_seed(0)
    grid = evolve(grid_of("one"), patch=(4, 3, 6), window=(1, 1, 1))
    weight = PatchEmbedding(grid, evolve(toy.MODEL, dim=240)).weight.detach()
    assert float(weight.var()) == pytest.approx(2 / (4 * 3 * 6 + 240), rel=0.1)
    assert float(weight.abs().max()) <= (6 / (4 * 3 * 6 + 240)) ** 0.5


def test_an_array_is_one_token_where_it_is_shown():
    events = toy.events(toy.PLAIN, 40, seed=2)
    view = View(drop=0.5)
    plan = toy.batch(toy.PLAIN, events, view).plans[view].streams["calo"]
    there = events.streams["calo"].counts > 0
    assert not there.all()
    assert there[plan.event].all()
    assert 0 < len(plan.shown) < len(plan.event) == there.sum()
    tokens = tokeniser(toy.CALO, toy.MODEL)(plan)
    assert tokens.shape == (len(plan.shown), toy.MODEL.dim)


def test_an_event_without_tracks_has_a_token_that_differs_from_one_with_tracks():
    events = toy.events(toy.PLAIN, 4, seed=1)
    gone = toy.no_rows(events, toy.PLAIN, "muon")
    torch.manual_seed(0)
    embed = toy.roughened(tokeniser(toy.MUON, toy.MODEL))
    with_tracks, without = (
        embed(toy.batch(toy.PLAIN, e, View()).plans[View()].streams["muon"]) for e in (events, gone)
    )
    assert with_tracks.shape == without.shape == (4, toy.MODEL.dim)
    assert torch.isfinite(without).all()
    assert torch.equal(without[0], without[3])
    some = events.streams["muon"].counts > 0
    assert (with_tracks[some] != without[some]).any(1).all()


def tracks(*counts, seed=0):
    """Events with so many tracks each, in float64, and the token of each."""
    rng = np.random.default_rng(seed)
    n = sum(counts)
    hit = rng.normal(size=(n, 4, 3)).astype(np.float32)
    hit[rng.random((n, 4)) < 0.3] = np.nan
    return Table(
        cumulated(np.array(counts)),
        {"p": rng.normal(size=(n, 3)).astype(np.float32), "hit": hit},
    )


def muon_tokens(table):
    torch.manual_seed(0)
    embed = toy.roughened(tokeniser(toy.MUON, toy.MODEL)).double()
    scale = toy.normalisation(toy.PLAIN)["streams"]["muon"]
    plan = toy.double(track_plan(table, toy.MUON, scale, np.ones(len(table), bool)))
    with torch.no_grad():
        out = embed(plan)
        for b in range(len(table)):
            wanted = reference.track_token(embed, plan, b)[0]
            torch.testing.assert_close(out[b], wanted, atol=1e-10, rtol=0)
    return out


def test_no_track_one_and_many_give_what_each_gives_alone():
    table = tracks(0, 1, 6, 0, 2)
    together = muon_tokens(table)
    for b in range(len(table)):
        alone = muon_tokens(table.take(np.array([b])))
        torch.testing.assert_close(together[b : b + 1], alone, atol=1e-10, rtol=0)
    torch.testing.assert_close(together[0], together[3])
    assert len(torch.unique(together.round(decimals=8), dim=0)) == 4


def test_the_order_of_tracks_does_not_matter():
    table = tracks(5, 3)
    order = np.array([4, 2, 0, 3, 1, 7, 5, 6])
    turned = Table(table.offsets, {k: v[order] for k, v in table.columns.items()})
    torch.testing.assert_close(muon_tokens(turned), muon_tokens(table), atol=1e-10, rtol=0)


def test_a_token_tells_how_many_tracks_there_are():
    """Also if all are alike, when attention alone sees no difference."""
    table = tracks(1)
    alike = Table(
        cumulated(np.array([1, 3])), {k: np.repeat(v, 4, 0) for k, v in table.columns.items()}
    )
    one, three = muon_tokens(alike)
    assert not torch.allclose(one, three, atol=1e-3)
    embed = tokeniser(toy.MUON, toy.MODEL)
    assert embed.count.in_features == 2  # whether there is any, and how many


def test_tracks_without_a_fit_are_their_points():
    bare = evolve(toy.MUON, columns=())
    table = tracks(2, 0)
    points = Table(table.offsets, {"hit": table["hit"]})
    scale = toy.normalisation(toy.PLAIN)["streams"]["muon"]
    out = tokeniser(bare, toy.MODEL)(track_plan(points, bare, scale, np.ones(2, bool)))
    assert out.shape == (2, toy.MODEL.dim)
    assert torch.isfinite(out).all()


def test_a_plane_that_was_not_hit_does_not_count():
    events = toy.events(toy.PLAIN, 6, seed=1)
    plan = toy.batch(toy.PLAIN, events, View()).plans[View()].streams["muon"]
    assert not plan.hit.all()
    torch.manual_seed(0)
    embed = toy.roughened(tokeniser(toy.MUON, toy.MODEL))
    points = torch.where(plan.hit[..., None], plan.points, 1e3)
    torch.testing.assert_close(embed(evolve(plan, points=points)), embed(plan))


def test_a_kind_of_stream_without_tokeniser_is_named():
    cloud = PointCloud(name="dots", groups=4, columns=(toy.CHARGE,))
    with pytest.raises(DeclarationError) as error:
        tokeniser(cloud, toy.MODEL)
    assert str(error.value) == "stream 'dots' is a PointCloud, which has no tokeniser"


def test_a_tokeniser_of_a_plugin_is_used_instead():
    made = tokeniser(toy.CALO, toy.MODEL, "test_tokens:Other")
    assert isinstance(made, Other)


class Other(torch.nn.Module):
    def __init__(self, stream, model):
        super().__init__()
