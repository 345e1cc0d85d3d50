"""What a codec is: a recipe. A sender follows it; a receiver needs none, because every stream says what it is."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from shared.hci.stream import CODER_NAMES
from shared.latent.layout import CHANNEL_COUNTS
from shared.streams import StreamKind
from shared.tokens.stream import MAX_TOKENS, MIN_TOKENS, TokenKind

HciChoice = Literal["upsampled", "decoder"]
SMALLEST_BPP, LARGEST_BPP = 0.0005, 24.0


def _offered_count(planes: int) -> int:
    if planes not in CHANNEL_COUNTS:
        raise ValueError(f"give {', '.join(map(str, CHANNEL_COUNTS[:-1]))} or {CHANNEL_COUNTS[-1]}")
    return planes


def _known_coder(name: str) -> str:
    if name not in CODER_NAMES:
        raise ValueError(f"give {' or '.join(CODER_NAMES)}, or None for the best by the rate table")
    return name


class TradeOff(BaseModel):
    """GSC's equation (2): of the numbers of planes, the one with the least alpha * abs(V(x_hat) - V(x)) + beta * bytes.

    ``alpha`` weighs what the picture's visual analysis loses (docs/latent.md), ``beta`` a byte.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    alpha: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    beta: Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Codec(BaseModel):
    """A recipe.

    ``streams`` are what a sender makes, in order of importance: packets leave in this order. What a small budget
    leaves out is another matter: what has no room beside a fair HCI (``sender/encode.py``).
    ``hci_coder`` forces one HCI coder; None lets the measured rate table choose.
    ``tokens`` of ``token_kind`` are sent at most, fewer where the budget is small, and as many of the latent's
    ``planes``, or what a ``trade_off`` chooses of them. Where the recipe ``fills``, the HCI may take all of a budget,
    and others what it cannot use. ``hci_choice`` says what the HCI's scale is chosen for: to be ``upsampled``, by a
    measured table, or for the pocket ``decoder``, which the sender then tries. ``default_bpp`` sets the byte budget of
    a caller who names none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,30}$")]
    summary: Annotated[str, Field(min_length=1, max_length=200)]
    streams: Annotated[tuple[StreamKind, ...], Field(min_length=1)] = (StreamKind.HCI,)
    hci_coder: Annotated[str, AfterValidator(_known_coder)] | None = None
    hci_choice: HciChoice = "upsampled"
    fills: bool = False
    token_kind: TokenKind = TokenKind.SPW
    tokens: Annotated[int, Field(ge=MIN_TOKENS, le=MAX_TOKENS)] = 16
    planes: Annotated[int, AfterValidator(_offered_count)] = 16
    trade_off: TradeOff | None = None
    default_bpp: Annotated[float, Field(ge=SMALLEST_BPP, le=LARGEST_BPP)] = 0.03

    @model_validator(mode="after")
    def _consistent(self) -> Codec:
        if len(set(self.streams)) < len(self.streams):
            raise ValueError("a codec names each stream once")
        if self.fills and StreamKind.HCI not in self.streams:
            raise ValueError(
                "a codec that fills a budget has an HCI to fill it with: add HCI to streams, or leave fills out"
            )
        if self.trade_off is not None and (self.fills or StreamKind.LATENT not in self.streams):
            raise ValueError(
                "a trade-off chooses planes of the latent: add LATENT to streams, and leave fills out, or leave it out"
            )
        return self
