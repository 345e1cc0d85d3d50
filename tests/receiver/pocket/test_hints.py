"""Streams besides the HCI: each reaches the picture, where it should, and a lost one leaves no trace."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from receiver.decoders.base import DecodeOptions
from receiver.guidance import Guidance
from receiver.pocket.hints import Hints, hints_of, maps_from, prompt_from
from receiver.pocket.networks import control_image, reach_of
from receiver.pocket.pipeline import Pipeline
from receiver.pocket.weights import load_networks
from shared.bitstream import PictureHeader
from shared.regions.coder import decode_regions, encode_regions
from shared.regions.region import Region
from shared.text import TextEncoder
from shared.tokens.stream import TokenKind

SIZE = (128, 96)


def vectors(count: int, width: int = 384) -> torch.Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(count))


def region(rows: slice) -> tuple[torch.Tensor, torch.Tensor]:
    mask = torch.zeros(1, 8, 8)
    mask[:, rows] = 1
    return vectors(1), mask


ALL = {
    "caption": vectors(5),
    "tokens": (TokenKind.RSRT, torch.full((8, 3), 0.5)),
    "regions": region(slice(0, 4)),
    "planes": torch.ones(32, 6, 8),
}


@pytest.fixture(scope="module")
def picture_of(weights, guidance_for):
    """A function of one `Hints` per picture that returns the batch's pictures."""
    cpu = torch.device("cpu")
    pipeline = Pipeline(load_networks(weights, cpu, torch.float32), cpu)
    hci = guidance_for(*SIZE).hci.pixels

    def made(*hints: Hints) -> torch.Tensor:
        return pipeline.pictures([hci] * len(hints), [0] * len(hints), *SIZE, 1, hints)

    return made


@pytest.mark.parametrize("kind", ALL)
def test_every_kind_of_stream_changes_the_picture(picture_of, kind):
    assert not torch.allclose(picture_of(Hints(**{kind: ALL[kind]})), picture_of(Hints()), atol=1e-4)


def test_a_picture_does_not_depend_on_its_batch(picture_of):
    """Prompts of other lengths only add padding."""
    several = [Hints(), Hints(caption=vectors(9), tokens=(TokenKind.SPW, torch.zeros(64, 3))), Hints(**ALL)]
    together = picture_of(*several)
    for made, hints in zip(together, several, strict=True):
        assert torch.allclose(made, picture_of(hints)[0], atol=1e-4)
    assert not torch.allclose(together[0], together[2], atol=1e-3)


def test_the_same_codes_mean_something_else_as_spw_and_as_rsrt(picture_of):
    numbers = torch.full((16, 3), -1.0)
    spw, rsrt = (picture_of(Hints(tokens=(kind, numbers))) for kind in TokenKind)
    assert not torch.allclose(spw, rsrt, atol=1e-4)


def test_a_regions_words_act_where_its_mask_is():
    hints = [Hints(regions=region(slice(0, 4)), caption=vectors(2))]
    planes, masks, given = maps_from(hints, 16, 24)
    control = control_image(torch.zeros(1, 16, 16, 24), planes, masks, torch.cat([torch.ones(1, 1), given], 1))
    prompt = prompt_from(hints)
    reach = reach_of(prompt.given, control)[0].view(4, 6, -1)
    assert prompt.given.tolist() == [[1, 1, 1, 1, 0, 0]]
    assert reach[..., :3].min() == 1
    assert reach[:2, :, 3].min() == 1
    assert reach[2:, :, 3].max() == 0
    assert reach[..., 4:].max() == 0


def test_of_a_region_only_what_there_is_is_told(decoder, guidance_for):
    top, left = np.zeros((2, 8, 8), bool)
    top[:4], left[:, :3] = True, True
    plain = guidance_for(*SIZE)

    def made(*regions):
        streamed = decode_regions(encode_regions(regions)) if regions else None
        return decoder.reconstruct(replace(plain, regions=streamed), DecodeOptions(steps=1)).pixels

    nameless, dog = Region("", "", top), Region("dog", "brown", left)
    alone = made(nameless)
    assert not np.array_equal(alone, made())  # its mask says where
    assert not np.array_equal(alone, made(Region(",", "", top)))
    assert not np.array_equal(alone, made(Region("dog", "", top)))
    assert np.array_equal(made(Region("dog", "", top)), made(Region("", "dog", top)))
    assert np.array_equal(made(nameless, dog), made(dog, nameless))
    assert not np.array_equal(made(nameless, dog), made(Region("", "", left), Region("dog", "brown", top)))


def test_a_nameless_region_is_no_word():
    text = TextEncoder()
    masks = np.stack([np.eye(8, dtype=bool)] * 2)
    guidance = Guidance(PictureHeader(64, 64), regions=(Region("", "", masks[0]), Region("dog", "", masks[1])))
    prompt = prompt_from([hints_of(guidance, lambda: text)])
    assert prompt.given.tolist() == [[1, 1, 0, 0]]
    assert torch.equal(prompt.regions[0, 0], text.sentence("dog"))


def test_a_lost_stream_leaves_no_trace_in_the_control():
    latent, planes, masks = (torch.ones(2, channels, 4, 4) for channels in (16, 32, 3))
    control = control_image(latent, planes, masks, torch.tensor([[1.0, 0, 0], [0, 1, 1]]))
    assert control[0, 16:51].abs().max() == 0
    assert control[1, :16].abs().max() == 0
    assert np.array_equal(control[:, 51:, 0, 0], [[1, 0, 0], [0, 1, 1]])
