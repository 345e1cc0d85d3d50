"""Recipes and changed copies of them."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.codecs.builtin import ADAPTIVE, BUILTIN_CODECS, GSC, HCI, MTGC
from shared.codecs.recipe import Codec, TradeOff, change_recipe
from shared.errors import ConfigError
from shared.validation import validate


def test_a_changed_copy_differs_in_the_requested_fields_only():
    few = change_recipe(MTGC, {"tokens": 8})
    assert few == MTGC.model_copy(update={"tokens": 8})
    assert MTGC.tokens == 16
    assert change_recipe(GSC, {"latent_channels": 1}).latent_channels == 1
    assert change_recipe(HCI, {}) is HCI


@pytest.mark.parametrize(
    ("codec", "name", "offered"), [(MTGC, "tokens", range(8, 65)), (GSC, "latent_channels", (1, 2, 4, 8, 16))]
)
@given(value=st.integers())
def test_any_number_is_accepted_or_raises_with_name_and_value(codec, name, offered, value):
    if value in offered:
        assert getattr(change_recipe(codec, {name: value}), name) == value
    else:
        with pytest.raises(ConfigError, match=f"^{name} = {value}"[:20]):
            change_recipe(codec, {name: value})


@pytest.mark.parametrize(
    ("codec", "name", "line"),
    [
        (MTGC, "latent_channels", "codec 'mtgc' sends no latent channels; .* (gsc, layered, adaptive)"),
        (GSC, "tokens", "codec 'gsc' sends no tokens; .* (mtgc, sdgic)"),
        (HCI, "trade_off", "codec 'hci' sends no latent channels; .* (gsc, layered)"),
        (ADAPTIVE, "trade_off", "codec 'adaptive' fills its budget; .* (gsc, layered)"),
    ],
)
def test_a_change_that_the_codec_cannot_use_raises_and_lists_codecs_that_can(codec, name, line):
    before, after = line.split(".*")
    with pytest.raises(ConfigError, match=f"^{name} = 8: {re.escape(before)}.*{re.escape(after)}$"):
        change_recipe(codec, {name: 8}, BUILTIN_CODECS.values())


@given(alpha=st.floats(), beta=st.floats())
def test_a_trade_off_has_two_finite_weights_none_negative(alpha, beta):
    wanted = {"trade_off": {"alpha": alpha, "beta": beta}}
    if 0 <= alpha < math.inf and 0 <= beta < math.inf:
        assert change_recipe(GSC, wanted).trade_off == TradeOff(alpha=alpha, beta=beta)
    else:
        with pytest.raises(ConfigError, match=r"^trade_off\.(alpha|beta) = "):
            change_recipe(GSC, wanted)


def test_a_recipe_with_a_trade_off_has_latent_channels_to_choose():
    with pytest.raises(ConfigError, match="add LATENT to streams, and leave fills out"):
        validate(Codec, {"name": "some", "summary": "a codec", "trade_off": {"alpha": 1.0, "beta": 1.0}})
