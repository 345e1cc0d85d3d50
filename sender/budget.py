"""Splits the byte budget of one picture among its streams.

``allocate`` reads no pixels and depends on its arguments alone: the same candidates and budget give the same payloads.
Three candidates are functions, because they depend on what was allocated before them:

- ``hci`` codes the highly compressed image (HCI) for the bytes that are left.
- ``tokens`` extracts tokens beside the caption and the HCI that are sent. Reconstruction-aware semantic residual tokens
  (RSRTs) describe what those two leave out.
- ``latent_distortion`` runs the receiver's decoder with the caption that is sent. Only a rate-task optimisation calls
  it.
"""

from __future__ import annotations

from collections import ChainMap
from dataclasses import dataclass
from itertools import count, product
from typing import TYPE_CHECKING, Final, NoReturn, Protocol

from sender.rdo import least_cost
from shared.bitstream import MAX_BITSTREAM_BYTES, Bitstream
from shared.errors import BudgetError
from shared.streams import Stream, StreamKind
from shared.tokens.stream import MIN_TOKENS, Tokens, encode_tokens, longest_payload_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sender.rdo import LatentCandidate
    from shared.bitstream import PictureHeader
    from shared.codecs.recipe import Codec
    from shared.latent.coder import LatentChannels

    Payloads = dict[StreamKind, bytes]

HCI_SHARE: Final = 0.6
"""Least share of a budget for the HCI. A caption, regions or latent channels that would take more are left out."""
FULL_SHARE: Final = 0.97
"""Share of a budget that a recipe with ``fills`` should use."""
MIN_DEFAULT_BUDGET_BYTES: Final = 96
"""Least budget of a caller who names none. It holds the smallest encoding of most pictures."""
MAX_BUDGET_BYTES: Final = MAX_BITSTREAM_BYTES - 32
"""The largest container, less what the tags and lengths of all its streams may take."""


class HciSource(Protocol):
    """Codes the HCI of one picture."""

    def __call__(self, max_bytes: int, fills: Callable[[bytes], bool] | None = None) -> bytes:
        """Return the best payload within ``max_bytes``; if possible one that ``fills`` accepts.

        Raises:
            BudgetError: nothing fits.
        """
        ...


@dataclass(frozen=True, slots=True)
class CaptionCandidate:
    """A caption and its payload. A ``required`` one comes from the caller: it is sent, or the picture is refused."""

    text: str
    payload: bytes
    required: bool


@dataclass(frozen=True, slots=True)
class Candidates:
    """What a sender may send of one picture by the recipe ``codec``. None or empty: nothing of that kind.

    Attributes:
        codec: the recipe.
        caption: a sentence about the picture.
        regions: payload of named regions.
        latent: choices of latent channels, most channels first.
        hci: codes the HCI for a number of bytes.
        tokens: returns the tokens to send beside an HCI payload (None: no HCI) and a caption ("": no caption).
        latent_distortion: returns, for a caption, what a choice of latent channels loses of the picture's features.
        base: payload of the base under an HCI in slices.
    """

    codec: Codec
    caption: CaptionCandidate | None = None
    regions: bytes = b""
    latent: tuple[LatentCandidate, ...] = ()
    hci: HciSource | None = None
    tokens: Callable[[bytes | None, str], Tokens] | None = None
    latent_distortion: Callable[[str], Callable[[LatentChannels], float]] | None = None
    base: bytes = b""


@dataclass(frozen=True, slots=True)
class Budget:
    """The most bytes that the container of a picture may have, header and checksum included.

    Raises:
        BudgetError: more bytes than any container has.
    """

    header: PictureHeader
    total_bytes: int

    def __post_init__(self) -> None:
        if self.total_bytes > MAX_BUDGET_BYTES:
            raise BudgetError(
                f"budget of {self.total_bytes} bytes: a picture may take {MAX_BUDGET_BYTES}; lower the budget"
            )

    def container(self, payloads: Mapping[StreamKind, bytes]) -> Bitstream:
        """Return the container of ``payloads``."""
        return Bitstream(self.header, tuple(Stream(kind, payloads[kind]) for kind in sorted(payloads)))

    def size(self, payloads: Mapping[StreamKind, bytes]) -> int:
        """Return the bytes of the container of ``payloads``."""
        return len(self.container(payloads).pack())

    def room(self, payloads: Payloads, kind: StreamKind) -> int:
        """Return how many bytes a stream of ``kind`` may have beside ``payloads``; 0 or less: none."""
        room = self.total_bytes - self.size(payloads | {kind: b""})
        if room <= 0:
            return room
        # The length of a long payload takes more bytes in the container than the length of an empty one.
        return room - max(0, self.size(payloads | {kind: bytes(room)}) - self.total_bytes)


def words_room(budget: Budget) -> int:
    """Return the bytes that a caption, and likewise regions, may have so that both together leave the HCI its share."""
    both = budget.room({StreamKind.CAPTION: b""}, StreamKind.REGIONS) - HCI_SHARE * budget.total_bytes
    return max(0, int(both / 2))


def check_budget(budget: Budget, codec: Codec, caption: bytes = b"") -> None:
    """Check, before any extractor loads, that ``budget`` holds a byte of some stream and a required ``caption``.

    Raises:
        BudgetError: it does not. How many bytes a stream takes at least is not known yet.
    """
    if caption and not _caption_fits(caption, codec, budget):
        raise _caption_too_long(caption, codec, budget)
    room = budget.room({}, codec.streams[0])
    if room <= 0:
        raise BudgetError(
            f"{budget.total_bytes} bytes are too few: header, lengths and checksum alone take "
            f"{budget.total_bytes - room}; give {MIN_DEFAULT_BUDGET_BYTES}, which hold most pictures"
        )


def _caption_fits(caption: bytes, codec: Codec, budget: Budget) -> bool:
    share = HCI_SHARE if StreamKind.HCI in codec.streams else 0
    return len(caption) <= budget.room({}, StreamKind.CAPTION) - share * budget.total_bytes


def _caption_too_long(caption: bytes, codec: Codec, budget: Budget) -> BudgetError:
    """Return the error of a required caption; it names the least bytes that hold the caption."""
    more = count(budget.total_bytes + 1)
    least = next(total for total in more if _caption_fits(caption, codec, Budget(budget.header, total)))
    used = f"the caption takes {len(caption)} bytes of {budget.total_bytes}"
    return BudgetError(f"{used} and leaves the picture too few: shorten it, or give {least} bytes or more", least)


def allocate(candidates: Candidates, budget: Budget) -> Payloads:
    """Return the payloads to send: together, in their container, they keep ``budget``.

    Raises:
        BudgetError: not even the smallest payload fits, or a required caption leaves no room.
    """
    payloads = _fill(candidates, budget) if candidates.codec.fills else _share(candidates, budget)
    if candidates.tokens is not None:
        payloads |= _tokens_beside(payloads, candidates, budget)
    if not payloads:
        _refuse(candidates, budget, _smallest_stream(candidates))
    return payloads


def _share(candidates: Candidates, budget: Budget) -> Payloads:
    """Return the small streams that leave the HCI its share, then the HCI in the bytes that are left."""
    payloads = _caption_within(candidates, budget)
    if candidates.base:
        payloads[StreamKind.BASE] = candidates.base
    if candidates.regions and _leaves_share(payloads, StreamKind.REGIONS, candidates.regions, candidates, budget):
        payloads[StreamKind.REGIONS] = candidates.regions
    fitting = _fitting_latent(payloads, candidates, budget)
    if candidates.latent and not fitting and candidates.hci is None:
        # Without an HCI the latent channels are the picture. They come before a caption that may be left out.
        payloads = _caption_within(candidates, budget, optional=False)
        fitting = _fitting_latent(payloads, candidates, budget)
        if not fitting:
            smallest = min((one.payload for one in candidates.latent), key=len)
            _refuse(candidates, budget, payloads | {StreamKind.LATENT: smallest})
    if fitting:
        payloads[StreamKind.LATENT] = _choose_latent(fitting, payloads, candidates).payload
    if candidates.hci is not None:
        reserve = _token_reserve(payloads, candidates, budget)
        payloads[StreamKind.HCI] = _code_hci(candidates, payloads, budget, reserve=reserve)
    return payloads


def _fill(candidates: Candidates, budget: Budget) -> Payloads:
    """Return the HCI, and those of the other streams that use most of the bytes that it leaves."""
    payloads = _caption_within(candidates, budget, optional=False)
    fillers = _filler_sets(candidates)

    def fullest(hci: bytes) -> Payloads:
        beside = payloads | {StreamKind.HCI: hci}
        fitting = [one for one in (beside | filler for filler in fillers) if budget.size(one) <= budget.total_bytes]
        return max(fitting, key=budget.size, default=beside)

    def fills(hci: bytes) -> bool:
        return budget.size(fullest(hci)) >= FULL_SHARE * budget.total_bytes

    return fullest(_code_hci(candidates, payloads, budget, fills))


def _filler_sets(candidates: Candidates) -> list[Payloads]:
    """Return every set of payloads that may stand beside the HCI, tokens excepted; the empty set too."""
    caption = candidates.caption
    choices = {
        StreamKind.CAPTION: [caption.payload] if caption is not None and not caption.required else [],
        StreamKind.REGIONS: [candidates.regions] if candidates.regions else [],
        StreamKind.LATENT: [one.payload for one in candidates.latent],
    }
    offered = [[{}, *({kind: payload} for payload in choices.get(kind, []))] for kind in candidates.codec.streams]
    return [dict(ChainMap(*chosen)) for chosen in product(*offered)]


def _caption_within(candidates: Candidates, budget: Budget, *, optional: bool = True) -> Payloads:
    """Return the caption if it leaves the HCI its share; without ``optional``, only one that is required."""
    caption = candidates.caption
    if caption is None or not (caption.required or optional):
        return {}
    if _leaves_share({}, StreamKind.CAPTION, caption.payload, candidates, budget):
        return {StreamKind.CAPTION: caption.payload}
    if caption.required:
        raise _caption_too_long(caption.payload, candidates.codec, budget)
    return {}


def _leaves_share(payloads: Payloads, kind: StreamKind, payload: bytes, candidates: Candidates, budget: Budget) -> bool:
    """Whether ``payload`` fits beside ``payloads`` and an HCI of its share, where an HCI follows."""
    share = HCI_SHARE if candidates.hci is not None else 0
    return len(payload) <= budget.room(payloads, kind) - share * budget.total_bytes


def _fitting_latent(payloads: Payloads, candidates: Candidates, budget: Budget) -> list[LatentCandidate]:
    """Return the choices of latent channels that fit beside ``payloads`` and the share of an HCI."""
    return [
        one for one in candidates.latent if _leaves_share(payloads, StreamKind.LATENT, one.payload, candidates, budget)
    ]


def _choose_latent(fitting: list[LatentCandidate], payloads: Payloads, candidates: Candidates) -> LatentCandidate:
    """Return the most channels that fit, or what the rate-task optimisation chooses of them."""
    weights, distortion = candidates.codec.trade_off, candidates.latent_distortion
    if weights is None or distortion is None:
        return fitting[0]
    return least_cost(fitting, distortion(_sent_caption(payloads, candidates)), weights)


def _code_hci(
    candidates: Candidates,
    payloads: Payloads,
    budget: Budget,
    fills: Callable[[bytes], bool] | None = None,
    *,
    reserve: int = 0,
) -> bytes:
    """Return the HCI's payload beside ``payloads``; it leaves ``reserve`` bytes if it can."""
    assert candidates.hci is not None
    room = budget.room(payloads, StreamKind.HCI)
    try:
        return candidates.hci(room - reserve, fills)
    except BudgetError as error:
        if reserve:
            return _code_hci(candidates, payloads, budget, fills)
        if not error.fewest_bytes:
            raise
        _refuse(candidates, budget, payloads | {StreamKind.HCI: bytes(error.fewest_bytes)})


def _smallest_stream(candidates: Candidates) -> Payloads:
    """Return the stream of the fewest bytes that could be sent alone; nothing if there is none."""
    alone: list[Payloads] = []
    if candidates.caption is not None:
        alone.append({StreamKind.CAPTION: candidates.caption.payload})
    if candidates.regions:
        alone.append({StreamKind.REGIONS: candidates.regions})
    if candidates.tokens is not None:
        tokens = candidates.tokens(None, "")
        fewest = encode_tokens(Tokens(tokens.kind, tokens.codes[:MIN_TOKENS]))
        alone.append({StreamKind.TOKENS: fewest.ljust(longest_payload_bytes(MIN_TOKENS))})
    return min(alone, key=lambda one: sum(map(len, one.values())), default={})


def _refuse(candidates: Candidates, budget: Budget, least: Payloads) -> NoReturn:
    """Raise a ``BudgetError`` that names the bytes of the container of ``least``."""
    header, name, size = budget.header, candidates.codec.name, budget.size(least)
    framing = size - sum(map(len, least.values()))
    where = f"this {header.width}x{header.height} picture with codec '{name}'"
    if not any(least.values()):
        raise BudgetError(f"{budget.total_bytes} bytes: there is nothing to send of {where}; choose another codec")
    raise BudgetError(
        f"{budget.total_bytes} bytes are too few for {where}: give {size} or more, of which header, lengths and "
        f"checksum take {framing}",
        size,
    )


def _token_reserve(payloads: Payloads, candidates: Candidates, budget: Budget) -> int:
    """Return the bytes that the HCI leaves to the tokens: none where they would take more than its share allows."""
    if candidates.tokens is None:
        return 0
    overhead = budget.size(payloads | {StreamKind.TOKENS: b""}) - budget.size(payloads)
    reserve = overhead + longest_payload_bytes(candidates.codec.tokens)
    return reserve if reserve <= (1 - HCI_SHARE) * budget.total_bytes else 0


def _tokens_beside(payloads: Payloads, candidates: Candidates, budget: Budget) -> Payloads:
    """Return the tokens that fit beside ``payloads``, the last ones left out; none if fewer than eight fit."""
    assert candidates.tokens is not None
    room = budget.room(payloads, StreamKind.TOKENS)
    if room < longest_payload_bytes(MIN_TOKENS):
        return {}
    tokens = candidates.tokens(payloads.get(StreamKind.HCI), _sent_caption(payloads, candidates))
    while len(payload := encode_tokens(tokens)) > room:
        if len(tokens.codes) == MIN_TOKENS:  # these tokens are rarer, and so longer, than the estimate above
            return {}
        tokens = Tokens(tokens.kind, tokens.codes[:-1])
    return {StreamKind.TOKENS: payload}


def _sent_caption(payloads: Payloads, candidates: Candidates) -> str:
    """Return the caption that is among ``payloads``; "" without one."""
    return candidates.caption.text if candidates.caption is not None and StreamKind.CAPTION in payloads else ""
