"""Conditioning: each stream beside the HCI changes the picture in the right place; a lost one changes nothing."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from receiver.decoders.base import DecodeOptions
from receiver.guidance import Guidance
from receiver.pocket.conditioning import Conditioning, batch_places, batch_text, make_conditioning
from receiver.pocket.pipeline import PocketPipeline
from receiver.pocket.prompt import limit_regions
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
    "latent": torch.ones(32, 6, 8),
    "hci_received": torch.eye(8)[None, None],
    "codes": torch.arange(12).view(3, 4),
}


def with_channels(one: Conditioning) -> Conditioning:
    """Count all latent channels as received, where there are any."""
    return one if one.latent is None else replace(one, received=torch.ones(32))


@pytest.fixture(scope="module")
def picture_of(weights, guidance_for):
    """A function of one `Conditioning` per picture that returns the batch's pictures."""
    cpu = torch.device("cpu")
    pipeline = PocketPipeline(load_networks(weights, cpu, torch.float32), cpu)
    hci = guidance_for(*SIZE).hci.pixels

    def decode(*batch: Conditioning) -> torch.Tensor:
        return pipeline.decode_batch(
            [hci] * len(batch), [0] * len(batch), *SIZE, 1, [with_channels(one) for one in batch]
        )

    return decode


@pytest.mark.parametrize("kind", ALL)
def test_every_kind_of_stream_changes_the_picture(picture_of, kind):
    assert not torch.allclose(picture_of(Conditioning(**{kind: ALL[kind]})), picture_of(Conditioning()), atol=1e-4)


def test_a_picture_does_not_depend_on_its_batch(picture_of):
    """Prompts of other lengths only add padding."""
    several = [
        Conditioning(),
        Conditioning(caption=vectors(9), tokens=(TokenKind.SPW, torch.zeros(64, 3))),
        Conditioning(**ALL),
    ]
    together = picture_of(*several)
    for picture, one in zip(together, several, strict=True):
        assert torch.allclose(picture, picture_of(one)[0], atol=1e-4)
    assert not torch.allclose(together[0], together[2], atol=1e-3)


def test_the_same_codes_give_different_pictures_as_spw_and_as_rsrt(picture_of):
    numbers = torch.full((16, 3), -1.0)
    spw, rsrt = (picture_of(Conditioning(tokens=(kind, numbers))) for kind in TokenKind)
    assert not torch.allclose(spw, rsrt, atol=1e-4)


def test_the_text_of_a_region_acts_inside_its_mask():
    batch = [Conditioning(regions=region(slice(0, 4)), caption=vectors(2))]
    prompt, places = batch_text(batch), batch_places(batch, 4, 6, has_hci=True)
    reach = limit_regions(prompt.given, places.regions, 4)[0].view(4, 6, -1)
    assert prompt.given.tolist() == [[1, 1, 1, 1, 0, 0]]
    assert reach[..., :3].min() == 1
    assert reach[:2, :, 3].min() == 1
    assert reach[2:, :, 3].max() == 0
    assert reach[..., 4:].max() == 0


def test_name_detail_and_mask_of_a_region_each_change_the_picture(decoder, guidance_for):
    top, left = np.zeros((2, 8, 8), bool)
    top[:4], left[:, :3] = True, True
    plain = guidance_for(*SIZE)

    def made(*regions):
        streamed = decode_regions(encode_regions(regions)) if regions else None
        return decoder.reconstruct(replace(plain, regions=streamed), DecodeOptions(steps=1)).pixels

    nameless, dog = Region("", "", top), Region("dog", "brown", left)
    alone = made(nameless)
    assert not np.array_equal(alone, made())  # its mask alone changes the picture
    assert not np.array_equal(alone, made(Region(",", "", top)))
    assert not np.array_equal(alone, made(Region("dog", "", top)))
    assert np.array_equal(made(Region("dog", "", top)), made(Region("", "dog", top)))
    assert np.array_equal(made(nameless, dog), made(dog, nameless))
    assert not np.array_equal(made(nameless, dog), made(Region("", "", left), Region("dog", "brown", top)))


def test_a_region_without_text_gives_no_prompt_token():
    text = TextEncoder()
    masks = np.stack([np.eye(8, dtype=bool)] * 2)
    guidance = Guidance(PictureHeader(64, 64), regions=(Region("", "", masks[0]), Region("dog", "", masks[1])))
    prompt = batch_text([make_conditioning(guidance, lambda: text)])
    assert prompt.given.tolist() == [[1, 1, 0, 0]]
    assert torch.equal(prompt.regions[0, 0], text.sentence("dog"))


def test_a_lost_stream_is_zero_in_the_places():
    some = with_channels(Conditioning(latent=torch.ones(32, 3, 5), regions=region(slice(0, 4))))
    places = batch_places([Conditioning(), some], 4, 6, has_hci=True)
    assert (places.codes == -1).all()
    assert not any(part[0].any() for part in (places.latent, places.received, places.regions))
    assert places.latent[1].min() == 1  # beyond the picture, the last row and column repeat
    assert places.regions[1, 0, :8].min() == 1
    assert places.hci.min() == 1
    assert not batch_places([some], 4, 6, has_hci=False).hci.any()


def test_codes_stand_at_their_place_and_a_lost_one_is_not_available():
    codes = torch.tensor([[3, -1, 31], [0, 5, -1]])
    places = batch_places([Conditioning(codes=codes), Conditioning()], 4, 6, has_hci=True)
    assert torch.equal(places.codes[0], codes)
    assert (places.codes[1] == -1).all()


def test_lost_slices_are_zero_in_the_mask_of_the_hci():
    mask = torch.ones(1, 1, 4, 6)
    mask[..., 3:] = 0
    places = batch_places([Conditioning(hci_received=mask)], 4, 6, has_hci=True)
    assert places.hci.shape == (1, 1, 16, 24)
    assert places.hci[..., :12].min() == 1
    assert not places.hci[..., 12:].any()
