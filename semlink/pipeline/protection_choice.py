"""Compares three protections of a picture's streams by predicted loss: the profile as it is, equal, and unequal."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from semlink.pipeline.protection import (
    choose_equal_protection,
    choose_unequal_protection,
    expected_loss,
)
from semlink.pipeline.received_slices import count_slices, predict_profile
from semlink.pipeline.stream_importance import MEASURE, check_measured, hash_decoder
from semlink.pipeline.transfer import ChosenProtection, Protect, StreamProtection
from shared.errors import BudgetError
from shared.streams import StreamKind

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from channel.link.protection_options import StreamOptions
    from semlink.pipeline.protection import Protection
    from semlink.pipeline.stream_importance import Importance

    Protections = Mapping[StreamKind, Protection]

LEAST_GAIN: Final = 0.001
"""Least LPIPS-Alex that ``auto`` must expect to gain before it leaves the simpler protection."""


def compare_protections(
    options: Mapping[StreamKind, StreamOptions],
    sliced: Collection[StreamKind],
    profile_mcs: Mapping[StreamKind, int],
    overheads: Mapping[int, float],
    channel_uses: int,
    importance: Importance,
) -> dict[Protect, Protections]:
    """Return the protections that are possible within ``channel_uses``, those of the profile as it is.

    ``options`` are those of whole streams. The streams ``sliced`` consist of slices, which decode alone.
    ``profile_mcs`` and ``overheads`` are the MCS and the repair overhead of each stream in the profile.

    Raises:
        ConfigError: the streams were not measured together.
    """
    check_measured(options, importance)
    gains = {kind: partial(importance.gain, base=StreamKind.BASE in options) for kind in sliced}
    counted = {kind: count_slices(one, gains[kind]) if kind in gains else one for kind, one in options.items()}
    found: dict[Protect, Protections] = {}
    profile = predict_profile(options, profile_mcs, overheads, gains)
    if profile is not None:
        found[Protect.NONE] = profile
    with suppress(BudgetError):  # the profile takes less than any equal protection
        found[Protect.EQUAL] = choose_equal_protection(counted, channel_uses, importance)
        found[Protect.UNEQUAL] = choose_unequal_protection(counted, channel_uses, importance)
    return found


def pick_protection(
    asked: Protect, compared: Mapping[Protect, Protections], importance: Importance
) -> ChosenProtection:
    """Return the protection that is ``asked`` for; ``auto``: the one with the least expected loss, the simplest first.

    Raises:
        BudgetError: it is not possible in the channel uses of the profile.
    """
    losses = {name: expected_loss(one, importance) for name, one in compared.items()}
    chosen = asked
    if asked is Protect.AUTO:
        if Protect.NONE not in losses:
            return ChosenProtection(asked, Protect.NONE, reason="the profile's MCS leaves no room for repair packets")
        chosen = Protect.NONE
        for name, loss in losses.items():
            if loss < losses[chosen] - LEAST_GAIN:
                chosen = name
    elif asked not in compared:
        raise BudgetError(
            f"--protect {asked}: the channel uses of the profile are too few for this picture under one MCS; use "
            "--protect none"
        )
    streams: tuple[StreamProtection, ...] = ()
    if chosen is not Protect.NONE:
        streams = tuple(
            StreamProtection(kind.name, one.scheme.index, one.repair_packets) for kind, one in compared[chosen].items()
        )
    return ChosenProtection(asked, chosen, losses, streams, _warn_of_other_weights(importance))


def _warn_of_other_weights(importance: Importance) -> str:
    if importance.decoder_sha256 == hash_decoder():
        return ""
    return f"the worth of streams was measured with other weights of the decoder, measure it again: {MEASURE}"
