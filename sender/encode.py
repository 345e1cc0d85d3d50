"""Picture and byte budget in, bitstream out."""

from __future__ import annotations

from collections import ChainMap
from itertools import product
from typing import TYPE_CHECKING

from sender.hci_search import filling_hci_for, hci_for
from sender.rdo import best_choice, latent_choices
from shared.bitstream import Bitstream
from shared.caption.coder import decode_caption, encode_caption
from shared.errors import BudgetError, ConfigError, SetupError
from shared.hci.stream import decode_hci
from shared.regions.coder import encode_regions
from shared.streams import Stream, StreamKind
from shared.tokens.stream import MIN_TOKENS, Tokens, encode_tokens, longest_payload_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from sender.extractors.extractors import Extractors
    from sender.rdo import LatentChoice
    from shared.codecs.recipe import Codec
    from shared.picture import Picture

MIN_DEFAULT_BUDGET_BYTES = 96
HCI_SHARE = 0.6
"""Of a budget, at least; what a caption, tokens or regions would take beyond the rest is left out."""
FULL_SHARE = 0.97
"""Of a budget, which a recipe that fills shall use."""


def default_budget_bytes(picture: Picture, codec: Codec) -> int:
    """Return the budget of a caller who names none: the codec's default bpp, though never less than a thumbnail."""
    return max(MIN_DEFAULT_BUDGET_BYTES, int(codec.default_bpp * picture.header.pixels / 8))


def encode_picture(
    picture: Picture, codec: Codec, extractors: Extractors, budget_bytes: int = 0, caption: str | None = None
) -> Bitstream:
    """Return the bitstream of ``picture`` whose container has at most ``budget_bytes`` (0: the codec's default).

    Small streams come first and the HCI takes what they leave; those for which there is no room beside a fair HCI are
    left out. In a recipe that fills the HCI comes first, and what it leaves is filled as far as it can be with others.
    ``caption`` stands in for the captioner's sentence, and comes before the HCI.

    Raises:
        BudgetError: not even the smallest encoding fits, or ``caption`` leaves no room.
        ConfigError: ``caption`` is longer than a stream may be, or the codec sends none.
        SetupError: weights of an extractor are missing or damaged, or the codec's trade-off has nothing to weigh by.
    """
    if caption and StreamKind.CAPTION not in codec.streams:
        raise ConfigError(
            f"codec '{codec.name}' sends no caption: leave the caption out, or choose one that does (misc)"
        )
    if codec.trade_off is not None and extractors.analyst is None:
        raise SetupError("a trade-off needs a decoder at the sender: install the receiver beside it, or leave it out")
    made = _Made(picture, codec, extractors, budget_bytes or default_budget_bytes(picture, codec))
    if codec.fills:
        made.fill(caption)
        return made.bitstream()
    for kind in sorted(codec.streams, key=_ORDER.index):
        if kind is StreamKind.CAPTION:
            made.add_caption(caption)
        elif kind is StreamKind.REGIONS:
            made.add_regions()
        elif kind is StreamKind.HCI:
            made.add_hci()
        elif kind is StreamKind.TOKENS:
            made.add_tokens()
        else:
            made.add_planes()
    return made.bitstream()


_ORDER = (StreamKind.CAPTION, StreamKind.REGIONS, StreamKind.LATENT, StreamKind.HCI, StreamKind.TOKENS)
"""RSRTs need to know caption and HCI."""


class _Made:
    """The streams of one picture so far, and the room that they leave."""

    def __init__(self, picture: Picture, codec: Codec, extractors: Extractors, budget_bytes: int) -> None:
        self._picture, self._codec, self._extractors = picture, codec, extractors
        self._budget_bytes = budget_bytes
        self._payloads: dict[StreamKind, bytes] = {}
        self._caption = ""

    def bitstream(self) -> Bitstream:
        if not self._payloads:
            raise BudgetError(f"{self._budget_bytes} bytes hold no stream of {self._codec.name}; raise the budget")
        return self._with({})

    def fill(self, caption: str | None) -> None:
        """Add the HCI and those further streams that use most of what it leaves; then tokens, in a recipe with any."""
        if caption:
            self.add_caption(caption)
        spares = self._spares(with_caption=caption is None)
        self.add_hci(lambda hci: len(self._fullest(spares, hci).pack()) >= FULL_SHARE * self._budget_bytes)
        for stream in self._fullest(spares, self._payloads[StreamKind.HCI]).streams:
            self._payloads[stream.kind] = stream.payload
        if StreamKind.CAPTION in self._payloads:
            self._caption = decode_caption(self._payloads[StreamKind.CAPTION])
        if StreamKind.TOKENS in self._codec.streams:
            self.add_tokens()

    def _spares(self, *, with_caption: bool) -> list[dict[StreamKind, bytes]]:
        """Return every set of payloads that may stand beside the HCI, the empty one too, without tokens."""
        pixels, offered = self._picture.pixels, []
        for kind in self._codec.streams:
            payloads: list[bytes] = []
            if kind is StreamKind.CAPTION and with_caption:
                caption = self._extractors.caption(pixels)
                payloads = [encode_caption(caption)] if caption else []
            elif kind is StreamKind.REGIONS:
                regions = self._extractors.regions(pixels)
                payloads = [encode_regions(regions)] if regions else []
            elif kind is StreamKind.LATENT:
                values, ids = self._extractors.planes(pixels, self._codec.planes)
                payloads = [choice.payload for choice in latent_choices(values, ids)]
            offered.append([{}, *({kind: payload} for payload in payloads)])
        return [dict(ChainMap(*chosen)) for chosen in product(*offered)]

    def _fullest(self, spares: list[dict[StreamKind, bytes]], hci: bytes) -> Bitstream:
        """Return the largest bitstream of ``hci`` and one of ``spares`` that the budget holds."""
        offered = [self._with({StreamKind.HCI: hci} | spare) for spare in spares]
        return max(
            (one for one in offered if len(one.pack()) <= self._budget_bytes),
            key=lambda one: len(one.pack()),
            default=self._with({StreamKind.HCI: hci}),
        )

    def add_caption(self, given: str | None) -> None:
        caption = self._extractors.caption(self._picture.pixels) if given is None else given
        if not caption:
            return
        payload = encode_caption(caption)
        if self._has_room_for(StreamKind.CAPTION, payload):
            self._caption, self._payloads[StreamKind.CAPTION] = caption, payload
        elif given is not None:
            used = f"the caption takes {len(payload)} bytes of {self._budget_bytes}"
            raise BudgetError(f"{used} and leaves the picture too few: shorten it or raise the budget")

    def add_regions(self) -> None:
        regions = self._extractors.regions(self._picture.pixels)
        payload = encode_regions(regions) if regions else b""
        if payload and self._has_room_for(StreamKind.REGIONS, payload):
            self._payloads[StreamKind.REGIONS] = payload

    def add_hci(self, fills: Callable[[bytes], bool] | None = None) -> None:
        reserve = 0
        if StreamKind.TOKENS in self._codec.streams and fills is None:
            tokens = longest_payload_bytes(self._codec.tokens)
            reserve = self._overhead_bytes(StreamKind.TOKENS) + tokens
            if reserve > (1 - HCI_SHARE) * self._budget_bytes:
                reserve = 0
        room = self._room_for(StreamKind.HCI)
        if room <= 0:
            used = self._budget_bytes - room
            raise BudgetError(f"{self._budget_bytes} bytes: header and checksum alone take {used}; raise the budget")
        try:
            asked = self._codec, self._picture.pixels, room - reserve, self._extractors.judge
            payload = hci_for(*asked) if fills is None else filling_hci_for(*asked, fills)
        except BudgetError as error:
            used = self._budget_bytes - room
            message = f"budget of {self._budget_bytes} bytes, {used} of them header and checksum: {error}"
            raise BudgetError(message) from error
        self._payloads[StreamKind.HCI] = payload

    def add_tokens(self) -> None:
        kind, count = self._codec.token_kind, self._codec.tokens
        room = self._room_for(StreamKind.TOKENS)
        if room < longest_payload_bytes(MIN_TOKENS):
            return
        header = self._picture.header
        coded = self._payloads.get(StreamKind.HCI)
        hci = None if coded is None else decode_hci(coded, header.width, header.height, grey=header.grey).pixels
        tokens = self._extractors.tokens(kind, count, self._picture.pixels, hci, self._caption)
        while len(payload := encode_tokens(tokens)) > room:
            tokens = Tokens(kind, tokens.codes[:-1])
        self._payloads[StreamKind.TOKENS] = payload

    def add_planes(self) -> None:
        values, ids = self._extractors.planes(self._picture.pixels, self._codec.planes)
        fitting = (one for one in latent_choices(values, ids) if self._has_room_for(StreamKind.LATENT, one.payload))
        chosen = next(fitting, None) if self._codec.trade_off is None else self._traded(list(fitting))
        if chosen is not None:
            self._payloads[StreamKind.LATENT] = chosen.payload

    def _traded(self, fitting: list[LatentChoice]) -> LatentChoice | None:
        """Return what equation (2) of GSC chooses of ``fitting``."""
        trade_off, analyst = self._codec.trade_off, self._extractors.analyst
        if not fitting or trade_off is None or analyst is None:
            return None
        return best_choice(fitting, analyst(self._picture.pixels, self._caption), trade_off)

    def _has_room_for(self, kind: StreamKind, payload: bytes) -> bool:
        made = StreamKind.HCI in self._payloads
        share = HCI_SHARE if StreamKind.HCI in self._codec.streams and not made else 0
        return len(payload) <= self._room_for(kind) - share * self._budget_bytes

    def _room_for(self, kind: StreamKind) -> int:
        room = self._budget_bytes - len(self._with({kind: b""}).pack())
        if room <= 0:
            return room
        # A long payload's length takes more bytes in the container than that of an empty one.
        return room - max(0, len(self._with({kind: bytes(room)}).pack()) - self._budget_bytes)

    def _overhead_bytes(self, kind: StreamKind) -> int:
        return len(self._with({kind: b""}).pack()) - len(self._with({}).pack())

    def _with(self, further: dict[StreamKind, bytes]) -> Bitstream:
        payloads = {**self._payloads, **further}
        streams = tuple(Stream(kind, payloads[kind]) for kind in sorted(payloads))
        return Bitstream(self._picture.header, streams)
