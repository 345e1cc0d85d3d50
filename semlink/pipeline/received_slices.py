"""What is expected to arrive of a stream: all of it or nothing, or of slices, which decode alone, a part."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from channel.link.correlated_losses import loss_states
from semlink.pipeline.protection import Protection
from shared.repair.encoder import plan_repair

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from channel.link.protection_options import SchemeOptions, StreamOptions
    from shared.streams import StreamKind

    Gain = Callable[[NDArray[np.float64]], NDArray[np.float64]]
    """The part of what a stream improves, 0 to 1, that a share of its packets improves."""

MOST_COUNTED: Final = 64
"""Of more packets than this, the share that arrives hardly varies, and its mean is taken."""


def is_complete(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what ``shares`` of the packets of a stream improve that decodes only when it is complete."""
    return np.asarray(shares >= 1, dtype=np.float64)


def expected_part_together(
    options: SchemeOptions, packets: int, repairs: NDArray[np.int64], gain: Gain, others: int = 0
) -> NDArray[np.float64]:
    """Return the same as ``expected_part`` for packets that are lost together as ``options`` say."""
    correlation = options.loss_correlation[np.minimum(repairs, len(options.loss_correlation) - 1)]
    found = np.empty(len(repairs))
    for one in np.unique(correlation):
        alike = correlation == one
        states = zip(*loss_states(options.packet_loss, float(one)), strict=True)
        found[alike] = sum(mass * expected_part(rate, packets, repairs[alike], gain, others) for rate, mass in states)
    return found


def expected_part(
    packet_loss: float, packets: int, repairs: NDArray[np.int64], gain: Gain, others: int = 0
) -> NDArray[np.float64]:
    """Return the part of what a stream improves that is expected to arrive, for each number of ``repairs``.

    The stream has ``packets`` packets. Together with ``others`` packets of other streams they form one repaired object.
    All packets are lost independently. All lost ones come back if at most as many packets are lost as there are repair
    packets.
    """
    from scipy.special import bdtr  # noqa: PLC0415 - keeps --help quick

    if packets > MOST_COUNTED and gain is not is_complete:
        total = packets + others + repairs
        not_repaired = np.where(repairs > 0, 1 - bdtr(np.maximum(repairs - 1, 0), total - 1, packet_loss), 1.0)
        return gain(1 - packet_loss * not_repaired)
    lost = np.arange(packets + 1)
    probability = np.diff(bdtr(lost, packets, packet_loss), prepend=0.0)
    repaired = bdtr(np.maximum(repairs[:, None] - lost, 0), others + repairs[:, None], packet_loss)
    repaired = np.where(repairs[:, None] >= lost, repaired, 0.0)
    part = repaired + (1 - repaired) * gain(1 - lost / packets)
    return np.asarray(part @ probability)


def count_slices(options: StreamOptions, gain: Gain) -> StreamOptions:
    """Return ``options`` of a stream of slices: what is expected to be missing of what they improve.

    It takes the place of the probability that any of them is missing.
    """
    return replace(options, schemes=tuple(_count_slices(one, options.source_packets, gain) for one in options.schemes))


def predict_profile(
    options: Mapping[StreamKind, StreamOptions],
    mcs_indices: Mapping[StreamKind, int],
    overheads: Mapping[int, float],
    gains: Mapping[StreamKind, Gain],
) -> dict[StreamKind, Protection] | None:
    """Return the protection of each stream under a channel's profile as it is.

    ``options`` are those of whole streams, ``mcs_indices`` and ``overheads`` those of the profile, ``gains`` those of
    streams of slices. Streams of equal overhead form one repaired object; its repair packets are counted for each of
    them, and their channel uses for none. None if the profile's MCS does not carry a stream and its repair packets.
    """
    counts = {kind: one.source_packets for kind, one in options.items()}
    objects = {
        kind: (sum(counts[one] for one in kinds) - counts[kind], repairs)
        for kinds, repairs in plan_repair(counts, overheads)
        for kind in kinds
    }
    found = {}
    for kind, one in options.items():
        scheme = next((scheme for scheme in one.schemes if scheme.scheme.index == mcs_indices[kind]), None)
        if scheme is None:
            return None
        others, repairs = objects.get(kind, (0, 0))
        gain = gains.get(kind, is_complete)
        part = float(expected_part_together(scheme, counts[kind], np.array([repairs]), gain, others)[0])
        found[kind] = Protection(scheme.scheme, repairs, scheme.source_uses, part)
    return found


def _count_slices(options: SchemeOptions, packets: int, gain: Gain) -> SchemeOptions:
    repairs = np.arange(len(options.loss_probability))
    part = expected_part_together(options, packets, repairs, gain)
    return replace(options, loss_probability=1 - part)
