"""A codec is a recipe: which streams a sender makes, and how it makes them.

A receiver needs no recipe, because every stream has its kind in its header.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from shared.errors import ConfigError
from shared.hci.stream import CODER_NAMES
from shared.latent.layout import CHANNEL_COUNTS
from shared.streams import StreamKind
from shared.tokens.stream import MAX_TOKENS, MIN_TOKENS, TokenKind
from shared.validation import short_repr, validate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

HciChoice = Literal["upsampled", "decoder"]
SMALLEST_BPP, LARGEST_BPP = 0.0005, 24.0


def _check_channel_count(count: int) -> int:
    if count not in CHANNEL_COUNTS:
        raise ValueError(f"give {', '.join(map(str, CHANNEL_COUNTS[:-1]))} or {CHANNEL_COUNTS[-1]}")
    return count


def _check_coder(name: str) -> str:
    if name not in CODER_NAMES:
        raise ValueError(f"give {' or '.join(CODER_NAMES)}, or None for the best by the rate table")
    return name


class TradeOff(BaseModel):
    """Weights of the rate-task optimisation of "Generative Semantic Coding" (GSC), equation (2).

    The sender chooses the number of latent channels with the least ``alpha`` * abs(V(x_hat) - V(x)) + ``beta`` * bytes.
    V is a network's analysis of the picture (docs/latent.md).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    alpha: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    beta: Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Codec(BaseModel):
    """A recipe.

    Attributes:
        name: how a caller names the codec.
        summary: one line for ``semlink codecs``.
        streams: what a sender makes, most important first. Packets leave in this order. Which streams a small budget
            leaves out follows another rule (``sender/budget.py``).
        hci_coder: forces one coder of the highly compressed image (HCI); None takes the better one by the rate table.
        hci_choice: how the scale of the HCI is chosen. ``upsampled`` uses a measured table. ``decoder`` runs the pocket
            decoder at several scales.
        parts: whether the HCI is sent as a base and slices where losses are expected.
        fills: whether the HCI may take all of the budget, and the other streams what is left.
        token_kind: kind of the tokens.
        tokens: the most tokens to send; a small budget holds fewer.
        residual: whether the tokens are residual tokens with a place, one for 32 × 32 pixels, instead.
        latent_channels: the most latent channels to send; a small budget holds fewer.
        trade_off: weights of the rate-task optimisation that chooses the number of latent channels; None sends as many
            as fit.
        default_bpp: bits per pixel of a caller who names no budget.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,30}$")]
    summary: Annotated[str, Field(min_length=1, max_length=200)]
    streams: Annotated[tuple[StreamKind, ...], Field(min_length=1)] = (StreamKind.HCI,)
    hci_coder: Annotated[str, AfterValidator(_check_coder)] | None = None
    hci_choice: HciChoice = "upsampled"
    parts: bool = False
    fills: bool = False
    token_kind: TokenKind = TokenKind.SPW
    tokens: Annotated[int, Field(ge=MIN_TOKENS, le=MAX_TOKENS)] = 16
    residual: bool = False
    latent_channels: Annotated[int, AfterValidator(_check_channel_count)] = 16
    trade_off: TradeOff | None = None
    default_bpp: Annotated[float, Field(ge=SMALLEST_BPP, le=LARGEST_BPP)] = 0.03

    @model_validator(mode="after")
    def _check_together(self) -> Codec:
        if len(set(self.streams)) < len(self.streams):
            raise ValueError("a codec names each stream once")
        if self.fills and StreamKind.HCI not in self.streams:
            raise ValueError(
                "a codec that fills a budget has an HCI to fill it with: add HCI to streams, or leave fills out"
            )
        if self.parts and (self.fills or self.hci_choice != "upsampled" or StreamKind.HCI not in self.streams):
            raise ValueError(
                "a codec with parts cuts the HCI that measured best up-sampled: add HCI to streams, and leave fills "
                "and hci_choice out"
            )
        if self.parts and StreamKind.TOKENS in self.streams:
            raise ValueError("a codec with parts sends no tokens, which describe what a whole HCI leaves out")
        if self.residual and (self.fills or not {StreamKind.HCI, StreamKind.TOKENS} <= set(self.streams)):
            raise ValueError("residual tokens follow from an HCI: add HCI and TOKENS to streams, and leave fills out")
        if self.trade_off is not None and (self.fills or StreamKind.LATENT not in self.streams):
            raise ValueError(
                "a trade-off chooses latent channels: add LATENT to streams, and leave fills out, "
                "or leave trade_off out"
            )
        return self


STREAM_OF_CHANGE: Final = {
    "tokens": StreamKind.TOKENS,
    "latent_channels": StreamKind.LATENT,
    "trade_off": StreamKind.LATENT,
}
"""The fields of a recipe that a caller may change, and the stream that each one belongs to."""


def change_recipe(codec: Codec, changes: Mapping[str, Any], known: Iterable[Codec] = ()) -> Codec:
    """Return a copy of ``codec`` with ``changes``, checked like any recipe.

    An error lists those of the ``known`` codecs that accept the change.

    Raises:
        ConfigError: a value breaks its rule, or belongs to a stream that the codec does not send.
    """
    for name, value in changes.items():
        if reason := _why_unchangeable(codec, name):
            able = ", ".join(one.name for one in known if not _why_unchangeable(one, name))
            raise ConfigError(
                f"{name} = {short_repr(value)}: codec '{codec.name}' {reason}; leave it out, or choose a codec that "
                f"takes it{able and f' ({able})'}"
            )
    return validate(Codec, {**codec.model_dump(), **changes}) if changes else codec


def _why_unchangeable(codec: Codec, name: str) -> str:
    """Return why ``codec`` cannot use the change called ``name``; "" if it can."""
    kind = STREAM_OF_CHANGE[name]
    if kind not in codec.streams:
        return f"sends no {'latent channels' if kind is StreamKind.LATENT else kind.name.lower()}"
    if name == "tokens" and codec.residual:
        return "sends one token for 32 × 32 pixels"
    return "fills its budget" if name == "trade_off" and codec.fills else ""
