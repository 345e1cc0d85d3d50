"""Tiles cover the picture, and leave no seams if the reach of the network is within the overlap."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from receiver.pocket.conditioning import Conditioning
from receiver.pocket.noise import draw_noise
from receiver.pocket.pipeline import PocketPipeline
from receiver.pocket.restore import restorer_input
from receiver.pocket.tiles import Tiling, add_tiled
from receiver.pocket.weights import load_networks


@given(
    side=st.integers(4, 40), overlap=st.integers(1, 10), multiple=st.sampled_from([1, 4]), length=st.integers(1, 2000)
)
def test_tiles_cover_a_side_and_never_overlap_three_deep(side, overlap, multiple, length):
    overlap, side = overlap * multiple, max(side, 4 * overlap) * multiple
    length *= multiple
    spans = Tiling(side, overlap, multiple).spans(length)
    assert spans[0][0] == 0
    assert spans[-1][1] == length
    assert all(0 < end - start <= side for start, end in spans)
    assert all(start % multiple == 0 and end % multiple == 0 for start, end in spans)
    for (_, end), (start, _) in pairwise(spans):
        assert end - start > overlap - multiple
    for (_, end), (start, _) in zip(spans, spans[2:], strict=False):
        assert end <= start


@pytest.mark.parametrize("size", [(150, 220), (40, 500), (97, 301)])
def test_a_network_with_a_reach_below_the_overlap_gives_the_same_in_tiles(size):
    generator = torch.Generator().manual_seed(1)
    kernel = torch.randn(2, 3, 5, 5, generator=generator)
    picture = torch.randn(1, 3, *size, generator=generator)

    def network(planes):
        return functional.conv2d(planes, kernel, padding=2)

    whole = network(picture)
    tiled = add_tiled(torch.zeros_like(whole), network, picture, Tiling(64, 16), Fraction(1))
    # Padding changes two columns at a tile's border, where its weight is below 3 %.
    assert (tiled - whole).abs().max() < 0.1 * whole.std()
    assert (tiled - whole).abs().median() < 1e-5
    flat = add_tiled(torch.zeros_like(picture), torch.clone, picture, Tiling(64, 16), Fraction(1))
    assert torch.allclose(flat, picture, atol=1e-5)


@pytest.mark.parametrize("scale", [Fraction(4), Fraction(1, 8)])
def test_tiles_of_networks_that_change_the_size_fit_together(scale):
    rows, columns = torch.arange(160.0), torch.arange(320.0)
    ramp = (rows[:, None] + columns)[None, None]

    def resize(planes):
        if scale > 1:
            return planes.repeat_interleave(4, -1).repeat_interleave(4, -2)
        return functional.avg_pool2d(planes, 8)

    blank = torch.zeros(1, 1, int(160 * scale), int(320 * scale))
    assert torch.allclose(add_tiled(blank, resize, ramp, Tiling(128, 32, 8), scale), resize(ramp), atol=1e-3)


def test_tiles_are_added_to_the_result():
    before = torch.ones(1, 1, 8, 8)
    assert torch.equal(add_tiled(before, lambda x: x, torch.ones(1, 1, 8, 8), Tiling(8, 2), Fraction(1)), before)
    assert before.eq(2).all()


def test_a_tiled_picture_is_close_to_an_untiled_one(decoder, guidance_for):
    guidance = guidance_for(384, 288)
    networks = decoder.load()._networks
    device = torch.device("cpu")
    hcis = [guidance.hci.pixels]
    whole = PocketPipeline(networks, device, side=1024).decode_batch(hcis, [3], 384, 288, 1)
    tiled = PocketPipeline(networks, device, side=256, overlap=64).decode_batch(hcis, [3], 384, 288, 1)
    assert ((tiled - whole).abs() * 255).mean() < 2
    assert ((tiled - whole).abs() * 255).max() < 24
    steps = (tiled - whole).diff(dim=-1).abs().mean((0, 1, 2)) * 255
    assert steps.max() < 2


def test_the_refiner_in_tiles_has_no_seams(weights):
    networks = load_networks(weights, torch.device("cpu"), torch.float32)
    restored, noise = torch.rand(1, 3, 416, 704), draw_noise(1, (1, 3, 416, 704))[0]
    masks = torch.zeros(1, 8, 8)
    masks[:, 2:5, 3:7] = 1
    guides = [Conditioning(caption=torch.randn(4, 384), regions=(torch.randn(1, 384), masks))]
    whole, tiled = (PocketPipeline(networks, torch.device("cpu"), side=side, overlap=128) for side in (1024, 512))
    one, other = (pipeline.refine(restored, noise, 2, guides) for pipeline in (whole, tiled))
    assert not torch.equal(one, other)
    change = (one - restored).std()  # hundreds of levels with random weights
    assert change > 0.1
    assert (one - other).abs().max() < 0.05 * change
    assert (one - other).abs().mean() < 0.002 * change


def test_an_overlap_of_more_than_a_quarter_is_refused():
    with pytest.raises(ValueError, match="quarter"):
        Tiling(64, 17)


def test_the_restorer_in_tiles_differs_by_a_few_levels_at_most(weights, guidance_for):
    device = torch.device("cpu")
    networks = load_networks(weights, device, torch.float32)
    quarters = restorer_input(guidance_for(704, 128).hci.pixels, 704, 128)[None]
    whole, tiled = PocketPipeline(networks, device, side=1024), PocketPipeline(networks, device, side=512, overlap=128)
    restored = whole.restore(quarters)
    assert ((tiled.restore(quarters) - restored).abs() * 255).max() < 4


@pytest.mark.parametrize(("width", "height"), [(431, 64), (65, 360), (203, 141)])
def test_long_and_odd_pictures_are_tiled(decoder, guidance_for, width, height):
    hci = guidance_for(width, height).hci.pixels
    pipeline = PocketPipeline(decoder.load()._networks, torch.device("cpu"), side=128, overlap=32)
    made = pipeline.decode_batch([hci], [1], width, height, 1)
    assert made.shape == (1, 3, height, width)
    whole = PocketPipeline(decoder.load()._networks, torch.device("cpu")).decode_batch([hci], [1], width, height, 1)
    assert (made - whole).abs().mean() < 0.3 * whole.std()


def test_tiled_fallback_synthesis_equals_the_untiled_one(decoder):
    generator = torch.Generator().manual_seed(1)
    kept = (torch.arange(32) < 4).float()
    hints = [Conditioning(latent=torch.randn(32, 20, 88, generator=generator) / 8 * kept[:, None, None], received=kept)]
    networks = decoder.load()._networks
    whole, tiled = (PocketPipeline(networks, torch.device("cpu"), side=side, overlap=128) for side in (1024, 512))
    one, other = (pipeline.fallback_images(hints, 1408, 310) for pipeline in (whole, tiled))
    assert one.shape == (1, 3, 78, 352)
    assert not torch.equal(one, other)
    assert ((one - other).abs() * 255).max() < 4
