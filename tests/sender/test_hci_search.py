"""The HCI that `adaptive` chooses, and how it fills its budget."""

import numpy as np
import pytest

from sender.encode import encode_picture
from sender.extractors.extractors import Extractors
from sender.hci_search import STEPS_TRIED, choose_hci
from shared.codecs.registry import get_codec
from shared.errors import BudgetError
from shared.hci.stream import decode_hci, hci_candidates
from shared.picture import encode_png, load_picture
from shared.streams import StreamKind

BUDGET_BYTES = 160


@pytest.fixture(scope="module")
def picture():
    from skimage import data

    return load_picture(encode_png(data.chelsea()[20:148, 100:228]))


@pytest.fixture(scope="module")
def candidates(picture):
    """The HCIs of which codec ``adaptive`` chooses one at this budget."""
    return hci_candidates(picture.pixels, BUDGET_BYTES, steps=STEPS_TRIED)


def scale_of(payload, picture):
    return decode_hci(payload, picture.header.width, picture.header.height).scale


@pytest.mark.parametrize("sign", [1, -1])
def test_the_hci_of_the_least_distance_is_sent(sign, picture, candidates):
    payload = choose_hci(
        get_codec("adaptive"),
        picture.pixels,
        lambda _: lambda payload: sign * scale_of(payload, picture),
        BUDGET_BYTES,
    )
    assert payload in candidates
    scales = [scale_of(one, picture) for one in candidates]
    assert len(set(scales)) == 3
    assert scale_of(payload, picture) == (min(scales) if sign > 0 else max(scales))


def test_a_single_choice_is_sent_without_decoding_it(picture):
    chosen, decoded = [], []

    def fills(payload):
        return chosen[0] == payload if chosen else not chosen.append(payload)

    def loop(pixels):
        return decoded.append

    payload = choose_hci(get_codec("adaptive"), picture.pixels, loop, BUDGET_BYTES, fills)
    assert payload == chosen[0]
    assert decoded == []


def test_without_a_decoder_the_hci_is_the_one_of_codec_hci(picture):
    with_adaptive, with_hci = (
        choose_hci(get_codec(name), picture.pixels, None, BUDGET_BYTES) for name in ("adaptive", "hci")
    )
    assert with_adaptive == with_hci


def test_too_small_a_budget_is_refused_with_the_bytes_that_are_needed(picture):
    with pytest.raises(BudgetError, match=r"it takes \d+ or more"):
        choose_hci(get_codec("adaptive"), picture.pixels, None, 3)


@pytest.mark.parametrize(
    ("name", "budgets"),
    [
        ("chelsea", (90, 350)),
        ("astronaut", (120, 700)),
        ("coffee", (250, 1500)),
        ("camera", (90, 250, 700)),
        *(
            pytest.param(name, (90, 120, 250, 350, 700, 1500), marks=pytest.mark.slow, id=f"{name}-all")
            for name in ("chelsea", "astronaut", "coffee", "camera")
        ),
    ],
)
def test_a_budget_is_filled_within_three_percent_and_never_exceeded(name, budgets, extractors):
    from skimage import data

    picture = load_picture(encode_png(getattr(data, name)()[60:252, 100:292]))
    for max_bytes in budgets:
        bitstream = encode_picture(picture, get_codec("adaptive"), extractors, max_bytes)
        assert 0.97 * max_bytes <= len(bitstream.pack()) <= max_bytes
        assert bitstream.stream(StreamKind.HCI) is not None


def test_of_the_hcis_that_fill_the_budget_the_one_of_the_least_distance_is_sent(picture, extractors):
    def coarse_first(payload):
        return -scale_of(payload, picture)

    chosen = encode_picture(picture, get_codec("adaptive"), Extractors(lambda _: coarse_first), BUDGET_BYTES)
    usual = encode_picture(picture, get_codec("adaptive"), extractors, BUDGET_BYTES)
    scales = [scale_of(one.stream(StreamKind.HCI).payload, picture) for one in (chosen, usual)]
    assert scales[0] > scales[1]
    assert len(chosen.pack()) >= 0.97 * BUDGET_BYTES


def test_finer_scales_are_tried_where_the_usual_ones_cannot_fill_the_budget(picture, candidates):
    usual = [scale_of(one, picture) for one in candidates]

    def fills(payload):
        return scale_of(payload, picture) < min(usual)

    payload = choose_hci(get_codec("adaptive"), picture.pixels, None, BUDGET_BYTES, fills)
    assert 1 <= scale_of(payload, picture) < min(usual)
    assert len(payload) <= BUDGET_BYTES


def test_a_picture_that_needs_fewer_bytes_is_not_padded(extractors):
    even = load_picture(encode_png(np.full((128, 128, 3), (30, 160, 60), np.uint8)))
    bitstream = encode_picture(even, get_codec("adaptive"), extractors, 4000)
    assert len(bitstream.pack()) < 0.97 * 4000
    hci = bitstream.stream(StreamKind.HCI)
    assert np.abs(decode_hci(hci.payload, 128, 128).pixels.astype(int) - (30, 160, 60)).max() <= 3


def test_adaptive_sends_no_tokens(picture, extractors):
    bitstream = encode_picture(picture, get_codec("adaptive"), extractors, 1500)
    assert bitstream.stream(StreamKind.TOKENS) is None


def test_a_callers_caption_is_sent_and_the_hci_takes_the_rest(picture, extractors):
    words = "a brown cat with green eyes looks past the camera " * 2
    bitstream = encode_picture(picture, get_codec("adaptive"), extractors, BUDGET_BYTES, words.strip())
    assert bitstream.stream(StreamKind.CAPTION) is not None
    assert 0.97 * BUDGET_BYTES <= len(bitstream.pack()) <= BUDGET_BYTES
