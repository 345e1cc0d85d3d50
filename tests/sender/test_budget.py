"""Splits a byte budget among streams, with made-up candidates instead of a picture."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sender.budget import (
    FULL_SHARE,
    HCI_SHARE,
    MAX_BUDGET_BYTES,
    Budget,
    Candidates,
    CaptionCandidate,
    allocate,
    check_budget,
)
from sender.rdo import LatentCandidate
from shared.bitstream import PictureHeader
from shared.codecs.recipe import Codec
from shared.errors import BudgetError
from shared.latent.coder import LatentChannels
from shared.streams import StreamKind
from shared.tokens.stream import MIN_TOKENS, TokenKind, Tokens, decode_tokens, encode_tokens, longest_payload_bytes

HCI, CAPTION, TOKENS, LATENT, REGIONS, BASE = StreamKind
HEADER = PictureHeader(256, 192)


def codec(*streams, **changes):
    return Codec(name="some", summary="a codec", streams=streams, **changes)


def hci_of_all_bytes(max_bytes, fills=None):
    """Code an HCI that takes every byte it is given, or raise as the HCI coder does."""
    if max_bytes < 10:
        raise BudgetError("too few for the HCI", 10)
    return bytes(max_bytes)


def latent(*sizes):
    return tuple(LatentCandidate(LatentChannels(tuple(range(16 - i)), None), bytes(n)) for i, n in enumerate(sizes))


def make_tokens(count):
    return lambda hci, caption: Tokens(TokenKind.RSRT, (63,) * count)


def sizes(candidates, total_bytes):
    payloads = allocate(candidates, Budget(HEADER, total_bytes))
    assert Budget(HEADER, total_bytes).size(payloads) <= total_bytes
    return {kind: len(payload) for kind, payload in payloads.items()}


def assert_the_least_is_named(candidates, total_bytes):
    """Refuse ``total_bytes`` with a number of bytes that works, where one byte less does not."""
    with pytest.raises(
        BudgetError, match=f"^{total_bytes} bytes are too few for this 256x192 picture with codec"
    ) as no:
        sizes(candidates, total_bytes)
    least = no.value.fewest_bytes
    assert f"give {least} or more" in str(no.value)
    assert sizes(candidates, least)
    with pytest.raises(BudgetError, match=f"give {least} or more"):
        sizes(candidates, least - 1)


@given(
    total_bytes=st.integers(30, 3000),
    caption_bytes=st.integers(1, 200),
    region_bytes=st.integers(0, 200),
    latent_bytes=st.lists(st.integers(1, 900), max_size=5),
)
def test_the_budget_holds_and_the_hci_keeps_its_share(total_bytes, caption_bytes, region_bytes, latent_bytes):
    found = sizes(
        Candidates(
            codec(HCI, CAPTION, REGIONS, LATENT),
            caption=CaptionCandidate("a", bytes(caption_bytes), required=False),
            regions=bytes(region_bytes),
            latent=latent(*sorted(latent_bytes, reverse=True)),
            hci=hci_of_all_bytes,
        ),
        total_bytes,
    )
    overhead = Budget(HEADER, total_bytes).size(dict.fromkeys(found, b""))
    tag_and_length_bytes = 4  # at most; the share counts them to the HCI
    assert found[HCI] + tag_and_length_bytes >= HCI_SHARE * total_bytes or set(found) == {HCI}
    assert sum(found.values()) + overhead >= total_bytes - tag_and_length_bytes


def test_the_most_channels_that_fit_are_sent():
    candidates = Candidates(codec(LATENT), latent=latent(400, 200, 100))
    assert [sizes(candidates, total)[LATENT] for total in (500, 300, 150)] == [400, 200, 100]
    assert_the_least_is_named(candidates, 50)


def test_latent_channels_that_are_the_picture_come_before_a_caption():
    def with_caption(*, required):
        return Candidates(codec(CAPTION, LATENT), CaptionCandidate("a", bytes(12), required), latent=latent(60, 20))

    assert sizes(with_caption(required=False), 30) == {LATENT: 20}
    assert sizes(with_caption(required=False), 60) == {CAPTION: 12, LATENT: 20}
    assert_the_least_is_named(with_caption(required=False), 20)
    assert_the_least_is_named(with_caption(required=True), 30)


def test_a_required_caption_is_sent_or_the_picture_is_refused():
    def with_caption(size):
        return Candidates(codec(HCI, CAPTION), CaptionCandidate("a", bytes(size), required=True), hci=hci_of_all_bytes)

    assert sizes(with_caption(30), 200)[CAPTION] == 30
    words = "the caption takes 90 bytes of 200 and leaves the picture too few: shorten it, or give 243 bytes or more"
    with pytest.raises(BudgetError, match=words):
        sizes(with_caption(90), 200)
    assert sizes(with_caption(90), 243)[CAPTION] == 90


def test_the_distortion_depends_on_the_caption_that_is_sent():
    captions = []

    def distortion(caption):
        captions.append(caption)
        return lambda channels: 0.0

    recipe = codec(CAPTION, LATENT, trade_off={"alpha": 1.0, "beta": 1.0})
    for caption_bytes, expected in ((20, "a cat"), (2000, "")):
        candidates = Candidates(
            recipe,
            CaptionCandidate("a cat", bytes(caption_bytes), required=False),
            latent=latent(90, 60, 30),
            latent_distortion=distortion,
        )
        assert sizes(candidates, 200)[LATENT] == 30
        assert captions.pop() == expected


def test_tokens_depend_on_the_hci_and_the_caption_that_are_sent():
    seen = []

    def tokens(hci, caption):
        seen.append((hci, caption))
        return Tokens(TokenKind.RSRT, (1,) * 16)

    caption = CaptionCandidate("a cat", bytes(10), required=False)
    payloads = allocate(
        Candidates(codec(HCI, CAPTION, TOKENS), caption, hci=hci_of_all_bytes, tokens=tokens), Budget(HEADER, 400)
    )
    assert seen == [(payloads[HCI], "a cat")]
    allocate(Candidates(codec(TOKENS), tokens=tokens), Budget(HEADER, 200))
    assert seen[1] == (None, "")


def test_the_last_tokens_are_left_out_where_the_budget_is_small():
    candidates = Candidates(codec(TOKENS, tokens=64), tokens=make_tokens(64))
    whole = len(decode_tokens(allocate(candidates, Budget(HEADER, 200))[TOKENS]).codes)
    some = len(decode_tokens(allocate(candidates, Budget(HEADER, 30))[TOKENS]).codes)
    assert MIN_TOKENS <= some < whole == 64


def test_eight_tokens_that_are_too_long_are_left_out():
    def rare_tokens(hci, caption):
        return Tokens(TokenKind.RSRT, (1,) * 8)

    assert len(encode_tokens(rare_tokens(None, ""))) > longest_payload_bytes(8)
    candidates = Candidates(codec(HCI, TOKENS, tokens=8), hci=hci_of_all_bytes, tokens=rare_tokens)
    assert set(sizes(candidates, 60)) == {HCI}


def test_a_recipe_that_fills_takes_the_streams_that_use_most_of_the_rest():
    def hci(max_bytes, fills):
        return next((bytes(size) for size in (100, 150, 190) if fills(bytes(size))), bytes(50))

    recipe = codec(HCI, LATENT, CAPTION, fills=True)
    caption = CaptionCandidate("a", bytes(30), required=False)
    found = sizes(Candidates(recipe, caption, latent=latent(55, 20), hci=hci), 200)
    assert found == {HCI: 100, CAPTION: 30, LATENT: 55}
    assert Budget(HEADER, 200).size({kind: bytes(size) for kind, size in found.items()}) >= FULL_SHARE * 200
    assert sizes(Candidates(recipe, caption, latent=latent(20), hci=hci), 200) == {HCI: 190}


def test_a_budget_beyond_the_largest_container_is_refused_and_the_largest_is_not():
    assert sizes(Candidates(codec(HCI), hci=hci_of_all_bytes), MAX_BUDGET_BYTES)[HCI] > MAX_BUDGET_BYTES - 16
    with pytest.raises(BudgetError, match=f"a picture may take {MAX_BUDGET_BYTES}; lower the budget"):
        Budget(HEADER, MAX_BUDGET_BYTES + 1)


def test_bytes_that_hold_no_stream_are_refused_before_anything_is_extracted():
    check_budget(Budget(HEADER, 8), codec(HCI))
    words = "^7 bytes are too few: header, lengths and checksum alone take 7; give 96, which hold most pictures$"
    with pytest.raises(BudgetError, match=words):
        check_budget(Budget(HEADER, 7), codec(HCI))


@pytest.mark.parametrize("total_bytes", [1, 7, 12])
def test_an_hci_that_does_not_fit_is_refused_with_the_least_that_does(total_bytes):
    assert_the_least_is_named(Candidates(codec(HCI), hci=hci_of_all_bytes), total_bytes)


def test_tokens_give_way_to_the_smallest_hci():
    candidates = Candidates(codec(HCI, TOKENS, tokens=8), hci=hci_of_all_bytes, tokens=make_tokens(8))
    assert set(sizes(candidates, 20)) == {HCI}
    assert_the_least_is_named(candidates, 16)
    assert_the_least_is_named(Candidates(codec(TOKENS), tokens=make_tokens(8)), 10)


def test_a_base_takes_its_bytes_before_the_hci():
    found = sizes(Candidates(codec(HCI), hci=hci_of_all_bytes, base=bytes(45)), 300)
    assert found[BASE] == 45
    assert found[HCI] > 240
