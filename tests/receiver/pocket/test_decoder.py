"""The pocket decoder behind its interface: sizes, seeds, batches, threads, lost streams."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from receiver.decoders.base import DecodeOptions
from receiver.guidance import Guidance
from receiver.pocket.decoder import PocketDecoder
from receiver.pocket.pipeline import PocketPipeline
from receiver.pocket.weights import load_networks
from sender.extractors.latent import LatentEncoder, select_channels
from shared.bitstream import PictureHeader
from shared.errors import ServiceError
from shared.hci.stream import downsample
from shared.latent.coder import LatentChannels
from shared.regions.region import Region
from shared.tokens.stream import TokenKind, Tokens


@pytest.mark.parametrize(("width", "height"), [(64, 64), (65, 97), (128, 71), (224, 160)])
@pytest.mark.parametrize("grey", [False, True])
def test_the_picture_has_the_size_and_the_channels_of_the_original(decoder, guidance_for, width, height, grey):
    made = decoder.reconstruct(guidance_for(width, height, grey=grey), DecodeOptions())
    assert made.pixels.shape == ((height, width) if grey else (height, width, 3))
    assert made.pixels.dtype == np.uint8
    assert made.pixels.flags.c_contiguous
    assert made.trust_map.shape == (-(-height // 16), -(-width // 16))
    assert made.trust == pytest.approx(made.trust_map.mean() / 255)


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 5, 6, 8])
def test_an_hci_of_any_scale_is_decoded(pixels_from, guidance_for, scale):
    assert pixels_from(guidance_for(150, 100, scale=scale), fidelity=0.5).shape == (100, 150, 3)


def test_defaults_are_in_the_configuration_of_the_weights(decoder):
    assert (decoder.name, decoder.device, decoder.default_steps) == ("pocket", "cpu", 2)


@pytest.mark.parametrize(("scale", "fidelity"), [(1, 1.0), (2, 5 / 6), (3, 5 / 9), (4, 0.5), (6, 0.5), (16, 0.5)])
def test_the_default_fidelity_depends_on_the_scale_of_the_hci(decoder, guidance_for, scale, fidelity):
    guidance = guidance_for(96, 64, scale=scale)
    made = decoder.reconstruct(guidance, DecodeOptions(steps=0, seed=1))
    told = decoder.reconstruct(guidance, DecodeOptions(steps=0, seed=1, fidelity=fidelity))
    assert made.fidelity == pytest.approx(told.fidelity)
    assert np.abs(made.pixels.astype(int) - told.pixels).max() <= 1


def test_without_an_hci_there_is_no_fidelity(decoder):
    assert decoder.reconstruct(Guidance(PictureHeader(96, 64)), DecodeOptions(fidelity=1)).fidelity is None


def test_the_same_seed_gives_the_same_picture(pixels_from, guidance_for):
    guidance = guidance_for(128, 96)
    first = pixels_from(guidance, seed=7, fidelity=0)
    torch.rand(5)
    np.random.seed(3)  # noqa: NPY002 - the global generator must not matter
    assert np.array_equal(pixels_from(guidance, seed=7, fidelity=0), first)
    assert not np.array_equal(pixels_from(guidance, seed=8, fidelity=0), first)
    assert pixels_from(guidance, seed=2**64 - 1).shape == first.shape


def test_the_default_generator_of_torch_does_not_change(decoder, weights, guidance_for):
    before = torch.get_rng_state()
    PocketDecoder("cpu", weights).reconstruct(guidance_for(64, 64), DecodeOptions())
    assert torch.equal(torch.get_rng_state(), before)


def test_steps_change_the_picture_and_zero_skips_the_flow(pixels_from, guidance_for):
    guidance = guidance_for(128, 96)
    made = [pixels_from(guidance, steps=steps, fidelity=0) for steps in range(4)]
    assert len({pixels.tobytes() for pixels in made}) == len(made)


def test_without_any_stream_the_picture_is_even_and_has_no_trust(decoder):
    guidance = Guidance(PictureHeader(100, 70))
    options = [DecodeOptions(steps=steps, seed=seed) for steps, seed in ((0, 1), (1, 1), (1, 2))]
    made = [decoder.reconstruct(guidance, one) for one in options]
    assert made[0].pixels.shape == (70, 100, 3)
    assert all(np.array_equal(one.pixels, made[0].pixels) for one in made)  # no noise in it
    assert np.abs(np.diff(made[0].pixels.astype(int), axis=1)).max() <= 4
    assert made[0].trust == 0
    assert not made[0].trust_map.any()


def test_without_an_hci_latent_channels_give_the_picture():
    shipped = PocketDecoder("cpu")
    rows, columns = np.mgrid[0:96, 0:160]
    disc = (rows - 40) ** 2 + (columns - 110) ** 2 < 30**2
    original = np.where(disc[..., None], [230, 220, 190], [40, 60, 90]).astype(np.uint8)
    values = LatentEncoder().values(original)
    correlations = []
    for count in (1, 16):
        ids = tuple(sorted(select_channels(values, original, count)))
        planes = LatentChannels(ids, values[list(ids)].astype(np.int16))
        made = shipped.reconstruct(Guidance(PictureHeader(160, 96), latent=planes), DecodeOptions(steps=0))
        assert made.trust == 0
        seen, wanted = (np.asarray(downsample(one, 8), float).ravel() for one in (made.pixels, original))
        correlations.append(np.corrcoef(seen, wanted)[0, 1])
    assert correlations[1] > 0.9 > correlations[0] > 0.6


def test_without_an_hci_text_gives_the_picture_colour(decoder):
    header = PictureHeader(96, 64)
    pictures = [
        decoder.reconstruct(Guidance(header, **words), DecodeOptions()).pixels
        for words in (
            {},
            {"caption": "a red barn"},
            {"caption": "snow"},
            {"tokens": Tokens(TokenKind.SPW, (5,) * 8)},
            {"regions": (Region("dog", "large, brown", np.eye(8, dtype=bool)),)},
        )
    ]
    assert len({picture.tobytes() for picture in pictures}) == len(pictures)


class SetAt(threading.Event):
    """An event that counts as set after ``times`` checks."""

    def __init__(self, times):
        super().__init__()
        self.times, self.asked = times, 0

    def is_set(self):
        self.asked += 1
        return self.asked > self.times


def test_decoding_stops_at_the_next_tile(weights, guidance_for):
    pipeline = PocketPipeline(load_networks(weights, torch.device("cpu")), torch.device("cpu"), side=128, overlap=32)
    guidance = guidance_for(200, 130)
    whole = SetAt(10**9)
    pipeline.with_stop(whole).decode_batch([guidance.hci.pixels], [1], 200, 130, 2)
    assert whole.asked > 8  # tiles and steps
    stop = SetAt(5)
    with pytest.raises(ServiceError, match="stopped"):
        pipeline.with_stop(stop).decode_batch([guidance.hci.pixels], [1], 200, 130, 2)
    assert stop.asked == 6
    pipeline.decode_batch([guidance.hci.pixels], [1], 200, 130, 0)  # other calls continue
    set_before = threading.Event()
    set_before.set()
    with pytest.raises(ServiceError, match="stopped"):
        PocketDecoder("cpu", weights).reconstruct(guidance, DecodeOptions(), set_before)


def test_the_trust_map_is_computed_only_on_request(decoder, guidance_for):
    made = decoder.reconstruct(guidance_for(64, 64), DecodeOptions(trust=False))
    assert made.trust_map is None
    assert made.trust is None


def test_a_batch_gives_the_same_as_single_calls(decoder, guidance_for):
    requests = [
        (guidance_for(96, 64, seed=1), DecodeOptions(seed=1, fidelity=0)),
        (guidance_for(64, 96, seed=2), DecodeOptions(seed=2)),
        (guidance_for(96, 64, seed=3), DecodeOptions(seed=3, fidelity=1)),
        (Guidance(PictureHeader(96, 64)), DecodeOptions(seed=4)),
        (guidance_for(96, 64, seed=5), DecodeOptions(seed=5, steps=2)),
    ]
    for made, request in zip(decoder.reconstruct_many(requests), requests, strict=True):
        alone = decoder.reconstruct(*request)
        # Sums of a batched convolution may round differently.
        assert np.abs(made.pixels.astype(int) - alone.pixels).max() <= 1
    assert decoder.reconstruct_many([]) == []


def test_two_threads_get_the_same_as_one(weights, guidance_for):
    decoder = PocketDecoder("cpu", weights)
    requests = [(guidance_for(128, 96, seed=seed), DecodeOptions(seed=seed)) for seed in range(6)]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(lambda request: decoder.reconstruct(*request).pixels, requests))
    for pixels, request in zip(together, requests, strict=True):
        assert np.array_equal(pixels, decoder.reconstruct(*request).pixels)


def test_fidelity_moves_the_picture_towards_the_hci(pixels_from, guidance_for):
    guidance = guidance_for(192, 128)

    def error(fidelity: float) -> float:
        small = downsample(pixels_from(guidance, fidelity=fidelity), guidance.hci.scale)
        return float(np.abs(small.astype(float) - guidance.hci.pixels).mean())

    errors = [error(fidelity) for fidelity in (0, 0.5, 1)]
    assert errors == sorted(errors, reverse=True)
    assert errors[2] < errors[0] / 4


def test_constructing_the_decoder_imports_neither_torch_nor_diffusers(weights):
    code = (
        "import sys; from pathlib import Path; from receiver.pocket.decoder import PocketDecoder;"
        f"PocketDecoder('', Path({str(weights)!r})); print({{'torch', 'diffusers'}} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_too_little_memory_is_one_line_and_the_next_picture_is_decoded(weights):
    """In a separate process with a memory limit 64 MiB above the need of a small picture."""
    code = f"""
import resource
from pathlib import Path
from receiver.decoders.base import DecodeOptions
from receiver.guidance import Guidance
from receiver.pocket.decoder import PocketDecoder
from shared.bitstream import PictureHeader
from shared.errors import LimitError
decoder = PocketDecoder("cpu", Path({str(weights)!r}))
small, large = (Guidance(PictureHeader(side, side)) for side in (64, 8192))
decoder.reconstruct(small, DecodeOptions())
pages = int(Path("/proc/self/statm").read_text().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (64 << 20),) * 2)
try:
    decoder.reconstruct(large, DecodeOptions())
except LimitError as error:
    print(error)
print(decoder.reconstruct(small, DecodeOptions()).pixels.shape)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    message, shape = done.stdout.splitlines()
    assert message.startswith("a picture of 8192x8192 does not fit into the memory of cpu:")
    assert shape == "(64, 64, 3)"
