"""Chooses an MCS and a number of repair packets for each stream, for the smallest expected loss of quality.

The channel predicts what each option costs and how likely the stream is lost
(``channel.link.protection_options``). The expected loss of quality is the sum over all subsets of streams of the
probability that exactly these are received, times their measured loss (``stream_importance.py``). Of slices, which
decode alone, each that arrives counts (``received_slices.py``). See ``docs/protection.md``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Final

import numpy as np

from channel.link.protection_options import predict_scheme_options, predict_stream_options
from semlink.pipeline.stream_importance import load_importance
from shared.errors import BudgetError, PacketError
from shared.repair.encoder import repair_count
from shared.repair.packet import kinds_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from channel.config import ChannelConfig
    from channel.link.protection_options import SchemeOptions, StreamOptions
    from channel.phy.mcs import Mcs
    from semlink.pipeline.stream_importance import Importance
    from shared.streams import StreamKind

MAX_REPAIR_OVERHEAD: Final = 3.0
"""Most repair packets per source packet that are tried; for a stream of one packet each is a repetition."""
_LEAST_GAIN: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Protection:
    """Protection of one stream, its channel uses, and the probability that the stream is complete.

    For slices, the expected part of what they improve takes the place of the probability.
    """

    scheme: Mcs
    repair_packets: int
    channel_uses: int
    complete: float


@dataclass(frozen=True, slots=True)
class _Candidates:
    """Possible protections of one stream, as arrays ``[candidates]`` of the fields of ``Protection``."""

    schemes: Sequence[Mcs]
    repair_packets: NDArray[np.int64]
    uses: NDArray[np.int64]
    complete: NDArray[np.float64]

    def pick(self, index: int) -> Protection:
        """Return one of them."""
        return Protection(
            self.schemes[index], int(self.repair_packets[index]), int(self.uses[index]), float(self.complete[index])
        )


def stream_lengths(packets: Sequence[bytes]) -> dict[StreamKind, list[int]]:
    """Return the lengths in bytes of the packets of each stream, in the order in which the streams are first seen.

    Raises:
        PacketError: a packet does not belong to exactly one stream.
    """
    lengths: dict[StreamKind, list[int]] = {}
    for packet in packets:
        kinds = kinds_of(packet)
        if len(kinds) != 1:
            raise PacketError("protection is chosen from the source packets of streams, without repair packets")
        lengths.setdefault(kinds[0], []).append(len(packet))
    return lengths


def predict_options(
    lengths: Mapping[StreamKind, Sequence[int]], config: ChannelConfig
) -> dict[StreamKind, StreamOptions]:
    """Return the options of each stream over ``config``, from the lengths in bytes of its packets.

    Raises:
        ConfigError: as ``predict_stream_options``.
    """
    return {kind: predict_stream_options(sizes, config, MAX_REPAIR_OVERHEAD) for kind, sizes in lengths.items()}


def predict_protection(lengths: Sequence[int], scheme: Mcs, repair_packets: int, config: ChannelConfig) -> Protection:
    """Return the protection of a stream of packets of ``lengths`` bytes, with ``repair_packets`` of its own."""
    options = predict_scheme_options(lengths, scheme, repair_packets, config)
    return _candidates(options, [repair_packets]).pick(0)


def predict_equal_protection(
    lengths: Mapping[StreamKind, Sequence[int]], config: ChannelConfig, overhead: float = 0.0
) -> dict[StreamKind, Protection]:
    """Return the protection of all streams under the MCS of ``config`` and one overhead, each stream on its own."""
    return {
        kind: predict_protection(sizes, config.scheme, repair_count(len(sizes), overhead), config)
        for kind, sizes in lengths.items()
    }


def choose_equal_protection(
    options: Mapping[StreamKind, StreamOptions], channel_uses: int, importance: Importance | None = None
) -> dict[StreamKind, Protection]:
    """Return the best protection with one MCS and one overhead for all streams within ``channel_uses``.

    Raises:
        BudgetError: none fits.
    """
    importance = importance or load_importance()
    counts = _equal_repair_counts(options)
    best: tuple[float, int, dict[StreamKind, Protection]] | None = None
    least = None
    for schemes in _common_schemes(options):
        candidates = {kind: _candidates(one, counts[kind]) for kind, one in schemes.items()}
        uses = np.sum([one.uses for one in candidates.values()], axis=0)
        loss = importance.expected_loss({kind: one.complete for kind, one in candidates.items()})
        least = min(int(uses[0]), least or int(uses[0]))
        for index in np.lexsort((uses, loss)):
            if uses[index] <= channel_uses:
                found = float(loss[index]), int(uses[index])
                if best is None or found < best[:2]:
                    best = *found, {kind: one.pick(index) for kind, one in candidates.items()}
                break
    if best is None:
        raise BudgetError(
            f"{channel_uses} channel uses are too few for this picture's packets, which take {least} at the fastest MCS"
        )
    return best[2]


def choose_unequal_protection(
    options: Mapping[StreamKind, StreamOptions], channel_uses: int, importance: Importance | None = None
) -> dict[StreamKind, Protection]:
    """Return an MCS and a number of repair packets for each stream, together within ``channel_uses``.

    The search starts from the best equal protection and from the cheapest protection. It repeats the best exchange of
    channel uses between two streams until none helps. The result never has a larger expected loss than the best equal
    protection.

    Raises:
        BudgetError: not even the fastest MCS fits.
    """
    importance = importance or load_importance()
    equal = choose_equal_protection(options, channel_uses, importance)
    candidates = {kind: _efficient_candidates(one, channel_uses) for kind, one in options.items()}
    starts = [equal, {kind: found.pick(0) for kind, found in candidates.items()}]
    ends = [
        _improve(start, candidates, channel_uses, importance) for start in starts if total_uses(start) <= channel_uses
    ]
    return min(ends, key=lambda one: (expected_loss(one, importance), total_uses(one)))


def total_uses(protections: Mapping[StreamKind, Protection]) -> int:
    """Return the channel uses of all streams together."""
    return sum(one.channel_uses for one in protections.values())


def profile_changes(
    protections: Mapping[StreamKind, Protection], source_packets: Mapping[StreamKind, int]
) -> dict[str, str]:
    """Return the changes of a channel profile, by dotted name, that give each stream its protection.

    ``source_packets`` are the packets of each stream. The sender rounds overheads up to whole packets and repairs
    streams of equal overhead together. An overhead slightly below the whole number, different for each stream, keeps
    the streams apart.
    """
    changes = {}
    for position, (kind, one) in enumerate(protections.items(), start=1):
        overhead = max(0.0, (one.repair_packets - position / 1000) / source_packets[kind])
        changes[f"protection.{kind.name}.mcs"] = str(one.scheme.index)
        changes[f"protection.{kind.name}.repair_overhead"] = f"{overhead:.6f}"
    return changes


def _candidates(options: SchemeOptions, repair_packets: Sequence[int]) -> _Candidates:
    """Return the protections with these numbers of repair packets."""
    counts = np.array(repair_packets)
    return _Candidates(
        [options.scheme] * len(counts), counts, options.channel_uses[counts], 1 - options.loss_probability[counts]
    )


def _equal_repair_counts(options: Mapping[StreamKind, StreamOptions]) -> dict[StreamKind, list[int]]:
    """Return the numbers of repair packets of each stream for all overheads that all streams can share."""
    longest = max(options.values(), key=lambda one: one.source_packets)
    overheads = [extra / longest.source_packets for extra in range(_most_repairs(longest) + 1)]
    return {
        kind: [min(repair_count(one.source_packets, overhead), _most_repairs(one)) for overhead in overheads]
        for kind, one in options.items()
    }


def _most_repairs(options: StreamOptions) -> int:
    return len(options.schemes[0].loss_probability) - 1


def _common_schemes(options: Mapping[StreamKind, StreamOptions]) -> list[dict[StreamKind, SchemeOptions]]:
    """Return, for every scheme that carries all streams, the options of each stream under it."""
    by_index = {kind: {scheme.scheme.index: scheme for scheme in one.schemes} for kind, one in options.items()}
    shared = sorted(set.intersection(*(set(schemes) for schemes in by_index.values())))
    return [{kind: schemes[index] for kind, schemes in by_index.items()} for index in shared]


def _efficient_candidates(options: StreamOptions, channel_uses: int) -> _Candidates:
    """Return the protections of one stream within ``channel_uses``: cheapest first, each safer than cheaper ones."""
    schemes = options.schemes
    count = _most_repairs(options) + 1
    uses = np.concatenate([one.channel_uses for one in schemes])
    complete = np.concatenate([1 - one.loss_probability for one in schemes])
    kept: list[int] = []
    safest = -math.inf
    for index in np.lexsort((-complete, uses)).tolist():
        if uses[index] <= channel_uses and complete[index] > safest + _LEAST_GAIN:
            kept.append(index)
            safest = complete[index]
    return _Candidates(
        [schemes[index // count].scheme for index in kept],
        np.array([index % count for index in kept]),
        uses[kept],
        complete[kept],
    )


def _improve(
    start: Mapping[StreamKind, Protection],
    candidates: Mapping[StreamKind, _Candidates],
    channel_uses: int,
    importance: Importance,
) -> dict[StreamKind, Protection]:
    """Return the result of exchanges between two streams from ``start``; less loss counts first, then fewer uses."""
    chosen = dict(start)
    pairs = list(combinations(chosen, 2)) or [(kind, kind) for kind in chosen]
    improved = True
    while improved:
        improved = False
        for first, second in pairs:
            better = _exchange(chosen, first, second, candidates, channel_uses, importance)
            gain = expected_loss(chosen, importance) - expected_loss(better, importance)
            if gain > _LEAST_GAIN or (gain > -_LEAST_GAIN and total_uses(better) < total_uses(chosen)):
                chosen, improved = better, True
    return chosen


def _exchange(
    chosen: Mapping[StreamKind, Protection],
    first: StreamKind,
    second: StreamKind,
    candidates: Mapping[StreamKind, _Candidates],
    channel_uses: int,
    importance: Importance,
) -> dict[StreamKind, Protection]:
    """Return ``chosen`` with the best pair of candidates for two streams; all other streams are unchanged.

    The expected loss is linear in each stream's probability, so four corners determine it for all pairs.
    """
    available = channel_uses - sum(one.channel_uses for kind, one in chosen.items() if kind not in (first, second))
    others = {kind: one.complete for kind, one in chosen.items()}
    one, other = candidates[first], candidates[second]
    if first == second:
        loss = importance.expected_loss({first: one.complete})
        return {first: one.pick(int(np.lexsort((one.uses, np.where(one.uses <= available, loss, np.inf)))[0]))}
    corner = {(a, b): importance.expected_loss(others | {first: a, second: b}) for a in (0.0, 1.0) for b in (0.0, 1.0)}
    p, q = one.complete[:, None], other.complete[None, :]
    loss = (
        (1 - p) * (1 - q) * corner[0.0, 0.0]
        + (1 - p) * q * corner[0.0, 1.0]
        + p * (1 - q) * corner[1.0, 0.0]
        + p * q * corner[1.0, 1.0]
    )
    uses = np.add.outer(one.uses, other.uses)
    loss = np.where(uses <= available, loss + uses * _LEAST_GAIN / channel_uses, np.inf)
    i, j = divmod(int(np.argmin(loss)), loss.shape[1])
    return {**chosen, first: one.pick(i), second: other.pick(j)}


def expected_loss(protections: Mapping[StreamKind, Protection], importance: Importance) -> float:
    """Return the expected loss of quality under ``protections``."""
    return float(importance.expected_loss({kind: one.complete for kind, one in protections.items()}))
