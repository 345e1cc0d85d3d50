"""Encodes a picture within a byte budget: extracts candidates for every stream, then allocates the budget."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from sender.budget import (
    MAX_BUDGET_BYTES,
    MIN_DEFAULT_BUDGET_BYTES,
    Budget,
    Candidates,
    CaptionCandidate,
    allocate,
    check_budget,
    words_room,
)
from sender.expected_loss import NO_LOSS, ExpectedLoss
from sender.hci_parts import PartsEncoder, PartsPlan, plan_parts
from sender.hci_search import choose_hci
from sender.rdo import latent_candidates
from sender.residual import ResidualEncoder
from shared.bitstream import Bitstream
from shared.caption.coder import encode_caption
from shared.errors import BudgetError, ConfigError, SetupError
from shared.hci.stream import decode_hci
from shared.regions.coder import encode_regions
from shared.streams import Stream, StreamKind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sender.extractors.extractors import Extractors
    from sender.rdo import LatentCandidate
    from shared.codecs.recipe import Codec
    from shared.picture import Picture
    from shared.tokens.stream import Tokens


def default_budget_bytes(picture: Picture, codec: Codec) -> int:
    """Return the budget of a caller who names none: the codec's default bits per pixel, at least 96 bytes."""
    return max(MIN_DEFAULT_BUDGET_BYTES, int(codec.default_bpp * picture.header.pixels / 8))


def encode_picture(
    picture: Picture,
    codec: Codec,
    extractors: Extractors,
    max_bytes: int = 0,
    caption: str | None = None,
    loss: ExpectedLoss = NO_LOSS,
) -> Bitstream:
    """Return the bitstream of ``picture``, whose container has at most ``max_bytes`` (0: the codec's default).

    Usually the small streams get their bytes first, and the highly compressed image (HCI) gets the rest. A stream that
    leaves too little for the HCI is left out. In a recipe with ``fills``, the HCI gets its bytes first, and other
    streams fill the rest. ``caption`` replaces the captioner's sentence and gets its bytes before all others. A recipe
    with ``parts`` cuts the HCI for the ``loss``; without loss it sends the whole HCI alone. Residual tokens get their
    bytes before the HCI, and follow from it.

    Raises:
        BudgetError: not even the smallest encoding fits, ``caption`` leaves no room, or no container has so many bytes.
        ConfigError: the codec sends no caption, but one is given.
        InputError: ``caption`` is too long or not valid Unicode text.
        SetupError: weights of an extractor are missing or damaged, or there is no decoder for a recipe that needs it.
    """
    budget = check_request(picture, codec, max_bytes, caption)
    if codec.trade_off is not None and extractors.feature_distortion is None:
        raise SetupError("a trade-off needs a decoder at the sender: install the receiver beside it, or leave it out")
    plan = _plan_parts(budget, loss) if codec.parts else None
    if codec.parts and plan is None and not caption:
        codec = codec.model_copy(update={"streams": (StreamKind.HCI,)})
    if codec.residual and extractors.residual_codes is None:
        raise SetupError("residual tokens need the decoder at the sender: install the receiver beside it")
    candidates = extract(picture, codec, extractors, caption, words_room(budget))
    if plan is not None:
        with suppress(BudgetError):  # too few bytes for parts: the HCI is sent whole
            return _encode_parts(candidates, budget, PartsEncoder(picture.pixels, plan, codec.hci_coder))

    def encode_within(budget: Budget) -> Bitstream:
        return budget.container(allocate(candidates, budget))

    if codec.residual and extractors.residual_codes is not None:
        return ResidualEncoder(picture.pixels, budget, extractors.residual_codes, encode_within).run()
    return encode_within(budget)


def _plan_parts(budget: Budget, loss: ExpectedLoss) -> PartsPlan | None:
    missing = loss.after_repair(budget.total_bytes)
    return plan_parts(budget.header, budget.total_bytes, missing, loss.packet_bytes)


def check_request(picture: Picture, codec: Codec, max_bytes: int = 0, caption: str | None = None) -> Budget:
    """Check what needs no extractor and no encoding, before any model loads; return the budget.

    Raises:
        BudgetError, ConfigError, InputError: as ``encode_picture``.
    """
    if caption and StreamKind.CAPTION not in codec.streams:
        raise ConfigError(
            f"codec '{codec.name}' sends no caption: leave the caption out, or choose one that does (misc)"
        )
    budget = Budget(picture.header, max_bytes or default_budget_bytes(picture, codec))
    check_budget(budget, codec, encode_caption(caption) if caption else b"")
    return budget


def _encode_parts(candidates: Candidates, budget: Budget, parts: PartsEncoder) -> Bitstream:
    """Return the bitstream whose HCI is a base and slices, which take the bytes that a whole HCI would.

    Raises:
        BudgetError: they do not fit.
    """

    def take_all(max_bytes: int, fills: object = None) -> bytes:
        del fills
        if max_bytes <= 0:
            raise BudgetError(f"{max_bytes} bytes are left for the slices")
        return bytes(max_bytes)

    payloads = allocate(replace(candidates, base=parts.base(), hci=take_all), budget)
    whole = budget.container(payloads)
    slices = Stream.of_units(StreamKind.HCI, parts.slices(len(payloads[StreamKind.HCI])))
    return Bitstream(whole.header, tuple(slices if one.kind is StreamKind.HCI else one for one in whole.streams))


def extract(
    picture: Picture,
    codec: Codec,
    extractors: Extractors,
    caption: str | None = None,
    words_bytes: int = MAX_BUDGET_BYTES,
) -> Candidates:
    """Return what may be sent of ``picture`` for every stream of ``codec``; a caller's ``caption`` is required.

    ``words_bytes`` limits the caption, and likewise the regions, of a model profile.

    Raises:
        InputError, SetupError: as ``encode_picture``.
    """
    pixels, streams = picture.pixels, codec.streams
    loop, distortion = extractors.decoder_in_the_loop, extractors.feature_distortion
    sends_tokens = StreamKind.TOKENS in streams and not codec.residual  # residual tokens follow the allocation
    return Candidates(
        codec,
        caption=_extract_caption(pixels, extractors, caption, words_bytes) if StreamKind.CAPTION in streams else None,
        regions=encode_regions(extractors.regions(pixels, words_bytes)) if StreamKind.REGIONS in streams else b"",
        latent=_extract_latent(pixels, codec, extractors) if StreamKind.LATENT in streams else (),
        hci=partial(choose_hci, codec, pixels, loop) if StreamKind.HCI in streams else None,
        tokens=partial(_extract_tokens, picture, codec, extractors) if sends_tokens else None,
        latent_distortion=None if distortion is None else partial(distortion, pixels),
    )


def _extract_caption(
    pixels: NDArray[np.uint8], extractors: Extractors, given: str | None, max_bytes: int
) -> CaptionCandidate | None:
    text = extractors.caption(pixels, max_bytes) if given is None else given
    return CaptionCandidate(text, encode_caption(text), required=given is not None) if text else None


def _extract_latent(pixels: NDArray[np.uint8], codec: Codec, extractors: Extractors) -> tuple[LatentCandidate, ...]:
    return tuple(latent_candidates(*extractors.latent(pixels, codec.latent_channels)))


def _extract_tokens(picture: Picture, codec: Codec, extractors: Extractors, hci: bytes | None, caption: str) -> Tokens:
    """Return the tokens to send beside the payload ``hci`` and ``caption``."""
    header, decoded = picture.header, None
    if hci is not None:
        decoded = decode_hci(hci, header.width, header.height, grey=header.grey).pixels
    return extractors.tokens(codec.token_kind, codec.tokens, picture.pixels, decoded, caption)
