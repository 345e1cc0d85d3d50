"""Rate-task optimisation (GSC's equation (2)): how many latent channels are sent."""

import numpy as np
import pytest

from receiver.guidance import guidance_in
from sender.encode import encode_picture
from sender.extractors.extractors import Extractors
from sender.rdo import latent_candidates, least_cost
from shared.codecs.builtin import GSC
from shared.codecs.recipe import TradeOff, change_recipe
from shared.errors import BudgetError, SetupError
from shared.latent.coder import decode_latent, encode_latent
from shared.picture import encode_png, load_picture
from shared.streams import StreamKind

RANKED = tuple(range(31, 15, -1))


@pytest.fixture(scope="module")
def candidates():
    values = np.random.default_rng(0).integers(-3, 4, (32, 12, 16)).astype(np.int16)
    found = list(latent_candidates(values, RANKED))
    assert [len(one.channels.ids) for one in found] == [16, 8, 4, 2, 1]
    assert [one.channels.ids for one in latent_candidates(values, RANKED[:2])] == [(30, 31), (31,)]
    assert found[2].payload == encode_latent(values, RANKED[:4])
    assert np.array_equal(decode_latent(found[2].payload, 256, 192).values, found[2].channels.values)
    return found


def falling(channels):
    return 1 / len(channels.ids)


@pytest.mark.parametrize(
    ("alpha", "beta", "distortion", "count"),
    [
        (0.0, 1.0, falling, 1),
        (1.0, 0.0, falling, 16),
        (0.0, 0.0, falling, 1),
        (1.0, 1e-5, lambda channels: abs(len(channels.ids) - 4), 4),
    ],
)
def test_the_least_cost_is_chosen_and_of_equal_costs_fewer_channels(alpha, beta, distortion, count, candidates):
    assert len(least_cost(candidates, distortion, TradeOff(alpha=alpha, beta=beta)).channels.ids) == count


def test_the_cost_is_that_of_the_equation(candidates):
    trade_off = TradeOff(alpha=2.0, beta=0.003)
    costs = {len(one.channels.ids): 2 * falling(one.channels) + 0.003 * len(one.payload) for one in candidates}
    assert len(least_cost(candidates, falling, trade_off).channels.ids) == min(costs, key=costs.get)


@pytest.fixture(scope="module")
def picture():
    from skimage import data

    return load_picture(encode_png(data.chelsea()))


def gsc_with(alpha, beta):
    return change_recipe(GSC, {"trade_off": {"alpha": alpha, "beta": beta}})


def channels_sent(picture, codec, distortion, max_bytes=2000):
    bitstream = encode_picture(picture, codec, Extractors(feature_distortion=distortion), max_bytes, "a cat")
    return len(guidance_in(bitstream).latent.ids)


def test_the_sender_measures_the_distortion_and_keeps_the_budget(picture):
    captions = []

    def distortion(pixels, caption):
        assert pixels is picture.pixels
        captions.append(caption)
        return falling

    assert channels_sent(picture, gsc_with(1.0, 0.0), distortion) == 16
    assert channels_sent(picture, gsc_with(1.0, 0.0), distortion, max_bytes=300) < 16
    assert channels_sent(picture, gsc_with(0.0, 1.0), distortion) == 1
    assert captions == ["a cat"] * 3


def test_a_budget_that_holds_the_caption_but_no_channel_is_refused(picture):
    extractors = Extractors(feature_distortion=lambda pixels, caption: falling)
    with pytest.raises(BudgetError, match=r"^20 bytes are too few for this .* with codec 'gsc': give ") as refused:
        encode_picture(picture, gsc_with(1.0, 0.0), extractors, 20, "a cat")
    least = refused.value.fewest_bytes
    assert encode_picture(picture, gsc_with(1.0, 0.0), extractors, least, "a cat").stream(StreamKind.LATENT)


def test_a_sender_without_a_decoder_refuses(picture):
    with pytest.raises(SetupError, match="a trade-off needs a decoder at the sender: install the receiver"):
        channels_sent(picture, gsc_with(1.0, 0.0), None)
