"""What `adaptive` sends: the HCI that its judge likes best, and a budget that is used up."""

import pytest

from sender.encode import encode_picture
from sender.extractors import Extractors
from sender.search import SCALES_TRIED, hci_for
from shared.codecs.registry import codec_named
from shared.errors import BudgetError
from shared.hci.stream import decode_hci, hci_candidates
from shared.picture import encode_png, load_picture
from shared.streams import StreamKind

BUDGET_BYTES = 300


@pytest.fixture(scope="module")
def picture():
    from skimage import data

    return load_picture(encode_png(data.chelsea()[20:212, 100:292]))


@pytest.fixture(scope="module")
def extractors():
    return Extractors()


def scale_of(payload, picture):
    return decode_hci(payload, picture.header.width, picture.header.height).scale


@pytest.mark.parametrize("sign", [1, -1])
def test_the_hci_that_the_judge_likes_is_sent(sign, picture):
    payload = hci_for(
        codec_named("adaptive"),
        picture.pixels,
        BUDGET_BYTES,
        lambda _: lambda payload: sign * scale_of(payload, picture),
    )
    candidates = hci_candidates(picture.pixels, BUDGET_BYTES, scales=SCALES_TRIED)
    assert payload in candidates
    scales = [scale_of(one, picture) for one in candidates]
    assert len(set(scales)) == 3
    assert scale_of(payload, picture) == (min(scales) if sign > 0 else max(scales))


def test_without_a_judge_the_hci_is_that_of_codec_hci(picture):
    with_adaptive, with_hci = (
        hci_for(codec_named(name), picture.pixels, BUDGET_BYTES, None) for name in ("adaptive", "hci")
    )
    assert with_adaptive == with_hci


def test_too_small_a_budget_is_refused_with_the_bytes_that_it_takes(picture):
    with pytest.raises(BudgetError, match=r"it takes \d+ or more"):
        hci_for(codec_named("adaptive"), picture.pixels, 3, None)


@pytest.mark.parametrize("budget_bytes", [250, 600, 1500])
def test_a_budget_is_filled_within_three_percent_and_never_exceeded(budget_bytes, picture, extractors):
    bitstream = encode_picture(picture, codec_named("adaptive"), extractors, budget_bytes)
    assert 0.97 * budget_bytes <= len(bitstream.pack()) <= budget_bytes
    assert bitstream.streams[0].kind is StreamKind.HCI


def test_a_callers_caption_comes_before_the_hci_takes_the_rest(picture, extractors):
    words = "a brown cat with green eyes looks past the camera " * 2
    bitstream = encode_picture(picture, codec_named("adaptive"), extractors, BUDGET_BYTES, words.strip())
    assert bitstream.stream(StreamKind.CAPTION) is not None
    assert 0.97 * BUDGET_BYTES <= len(bitstream.pack()) <= BUDGET_BYTES
