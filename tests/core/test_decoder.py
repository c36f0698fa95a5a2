import numpy as np
import reference
import torch
import toy
from attrs import evolve

from intarsia.core.batch import Rows
from intarsia.core.decoder import Decoder, Places
from intarsia.core.encoder import Encoded
from intarsia.core.recipe import DecoderSize

SIZE = DecoderSize(width=12, heads=3, depth=2)


def encoded(b=3, q=5, dim=8) -> Encoded:
    g = torch.Generator().manual_seed(0)
    latents = torch.randn(b, q, dim, dtype=torch.float64, generator=g)
    mask = torch.tensor([[True] * n + [False] * (q - n) for n in (5, 1, 3)])[:b]
    return Encoded(latents, mask, {}, None)


def decoder() -> Decoder:
    torch.manual_seed(0)
    return toy.roughened(Decoder(8, SIZE)).double()


def test_queries_look_at_the_latents_of_their_event_alone():
    module, there = decoder(), encoded()
    event = np.array([2, 0, 0, 2, 1, 0])
    x_qe = torch.randn(6, 12, dtype=torch.float64)
    out = module(x_qe, there, Rows.of([event], 3))
    for i, b in enumerate(event):
        context = reference.linear(module.context, there.latents[b][there.mask[b]])
        x = x_qe[i : i + 1]
        for layer in module.blocks:
            x = reference.block(layer, x, context)
        torch.testing.assert_close(
            out[i : i + 1], reference.norm(module.norm, x), atol=1e-12, rtol=0
        )


def test_latents_that_are_not_there_do_not_count():
    module, there = decoder(), encoded()
    x = torch.randn(3, 2, 12, dtype=torch.float64)
    wild = torch.where(there.mask[..., None], there.latents, 1e6)
    torch.testing.assert_close(module(x, evolve(there, latents=wild)), module(x, there))


def test_without_queries_nothing_comes_out():
    rows = Rows.of([np.zeros(0, np.int64)], 3)
    out = decoder()(torch.zeros(0, 12, dtype=torch.float64), encoded(), rows)
    assert out.shape == (0, 12)


def test_places_differ_by_place_and_window():
    torch.manual_seed(0)
    module = Places(toy.CUBES, 12)
    place, window = torch.tensor([0, 1, 0, 7]), torch.tensor([0, 0, 1, 15])
    out = module(place, window)
    expected = module.query + module.place[place] + module.window[window]
    assert torch.equal(out, expected)
    assert len(torch.unique(out.detach(), dim=0)) == 4
    assert module.place.shape == (8, 12)
    assert module.window.shape == (16, 12)
