"""GSC's equation (2): how many planes are sent."""

import numpy as np
import pytest

from receiver.guidance import guidance_in
from sender.encode import encode_picture
from sender.extractors.extractors import Extractors
from sender.rdo import best_choice, latent_choices
from shared.codecs.builtin import GSC
from shared.codecs.recipe import TradeOff, change_recipe
from shared.errors import SetupError
from shared.latent.coder import decode_latent, encode_latent
from shared.picture import encode_png, load_picture
from shared.streams import StreamKind

RANKED = tuple(range(31, 15, -1))


@pytest.fixture(scope="module")
def choices():
    values = np.random.default_rng(0).integers(-3, 4, (32, 12, 16)).astype(np.int16)
    made = list(latent_choices(values, RANKED))
    assert [len(one.arrived.ids) for one in made] == [16, 8, 4, 2, 1]
    assert [one.arrived.ids for one in latent_choices(values, RANKED[:2])] == [(30, 31), (31,)]
    assert made[2].payload == encode_latent(values, RANKED[:4])
    assert np.array_equal(decode_latent(made[2].payload, 256, 192).planes, made[2].arrived.planes)
    return made


def falling(planes):
    return 1 / len(planes.ids)


@pytest.mark.parametrize(
    ("alpha", "beta", "lost", "count"),
    [
        (0.0, 1.0, falling, 1),
        (1.0, 0.0, falling, 16),
        (0.0, 0.0, falling, 1),
        (1.0, 1e-5, lambda planes: abs(len(planes.ids) - 4), 4),
    ],
)
def test_the_least_cost_is_chosen_and_of_equal_ones_fewer_planes(alpha, beta, lost, count, choices):
    assert len(best_choice(choices, lost, TradeOff(alpha=alpha, beta=beta)).arrived.ids) == count


def test_the_cost_is_that_of_the_equation(choices):
    trade_off = TradeOff(alpha=2.0, beta=0.003)
    costs = {len(one.arrived.ids): 2 * falling(one.arrived) + 0.003 * len(one.payload) for one in choices}
    assert len(best_choice(choices, falling, trade_off).arrived.ids) == min(costs, key=costs.get)


@pytest.fixture(scope="module")
def picture():
    from skimage import data

    return load_picture(encode_png(data.chelsea()))


def traded(alpha, beta):
    return change_recipe(GSC, {"trade_off": {"alpha": alpha, "beta": beta}})


def sent(picture, codec, analyst, budget_bytes=2000):
    bitstream = encode_picture(picture, codec, Extractors(analyst=analyst), budget_bytes, "a cat")
    return len(guidance_in(bitstream).planes.ids)


def test_the_sender_asks_for_what_is_lost_and_keeps_the_budget(picture):
    asked = []

    def analyst(pixels, caption):
        assert pixels is picture.pixels
        asked.append(caption)
        return falling

    assert sent(picture, traded(1.0, 0.0), analyst) == 16
    assert sent(picture, traded(1.0, 0.0), analyst, budget_bytes=300) < 16
    assert sent(picture, traded(0.0, 1.0), analyst) == 1
    assert asked == ["a cat"] * 3


def test_where_no_planes_fit_none_are_sent(picture):
    extractors = Extractors(analyst=lambda pixels, caption: falling)
    assert encode_picture(picture, traded(1.0, 0.0), extractors, 30, "a cat").stream(StreamKind.LATENT) is None


def test_a_sender_without_a_decoder_refuses(picture):
    with pytest.raises(SetupError, match="a trade-off needs a decoder at the sender: install the receiver"):
        sent(picture, traded(1.0, 0.0), None)
