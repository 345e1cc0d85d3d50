"""Which MCS and how many repair packets each stream gets, for the smallest expected loss of quality.

The expected loss is the sum over all subsets of streams of its probability (``channel.link.loss_model``) times the
measured loss of quality when just that subset comes (``stream_importance.json``). See ``docs/protection.md``.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from channel.link.loss_model import predict_packet_loss
from channel.phy.mcs import MCS_INDICES, Mcs, mcs
from semlink.pipeline.channel_uses import packet_uses
from shared.errors import BudgetError, ConfigError, PacketError
from shared.packets import MAX_PACKET_BYTES
from shared.repair.encoder import repair_count
from shared.repair.packet import MAX_REPAIR_PACKETS, MAX_SOURCE_PACKETS, kinds_of, repair_packet_bytes
from shared.streams import StreamKind

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from channel.config import ChannelConfig

_FILE: Final = Path(__file__).with_name("stream_importance.json")
_MOST_REPAIR: Final = 3.0
"""Repair packets over packets that are tried; for a stream of one packet each is a repetition."""
_LEAST_GAIN: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Protection:
    """What one stream gets, what it costs in channel uses, and the probability that the stream comes whole."""

    scheme: Mcs
    repair_packets: int
    channel_uses: int
    whole: float


@dataclass(frozen=True, slots=True)
class _Choices:
    """What one stream may get: for each choice what ``Protection`` holds, as arrays ``[choices]``."""

    schemes: Sequence[Mcs]
    repair_packets: NDArray[np.int64]
    uses: NDArray[np.int64]
    whole: NDArray[np.float64]

    def protection(self, index: int) -> Protection:
        """Return one of them."""
        return Protection(
            self.schemes[index], int(self.repair_packets[index]), int(self.uses[index]), float(self.whole[index])
        )


@dataclass(frozen=True, slots=True)
class Importance:
    """Measured loss of quality (LPIPS' form) by the set of streams that came; others count for nothing."""

    loss_by_streams: Mapping[frozenset[StreamKind], float]

    def loss(self, came: frozenset[StreamKind]) -> float:
        """Return the loss of quality when the streams ``came``."""
        return self.loss_by_streams[came & self.measured]

    @property
    def measured(self) -> frozenset[StreamKind]:
        """The streams whose worth was measured."""
        return max(self.loss_by_streams, key=len)

    def expected_loss(self, whole: Mapping[StreamKind, Any]) -> Any:
        """Return the expected loss where each stream comes with its probability in ``whole``, by itself.

        Probabilities may be numbers or arrays of one shape, which is then that of the losses.
        """
        kinds = [kind for kind in whole if kind in self.measured]
        total: Any = 0.0
        for size in range(len(kinds) + 1):
            for came in combinations(kinds, size):
                share = math.prod(whole[kind] if kind in came else 1 - whole[kind] for kind in kinds)
                total += share * self.loss(frozenset(came))
        return total


@lru_cache(maxsize=1)
def measured_importance() -> Importance:
    """Return what ``python -m benchmarks.decoder.stream_importance`` measured."""
    rows = json.loads(_FILE.read_text(encoding="utf-8"))["subsets"]
    return Importance({frozenset(StreamKind[name] for name in row["came"]): row["lpips"] for row in rows})


def require_measured(kinds: Collection[StreamKind], importance: Importance | None = None) -> None:
    """Check that all of ``kinds`` were measured: what is worth nothing gets next to no protection.

    Raises:
        ConfigError: one was not.
    """
    unknown = [kind.name for kind in kinds if kind not in (importance or measured_importance()).measured]
    if unknown:
        raise ConfigError(
            f"--protect unequal: nobody has measured what the stream {unknown[0]} is worth; take --protect equal, or "
            "measure it: python -m benchmarks.decoder.stream_importance"
        )


def stream_lengths(packets: Sequence[bytes]) -> dict[StreamKind, list[int]]:
    """Return the lengths in bytes of the packets of each stream, in the order in which the streams first come.

    Raises:
        PacketError: a packet that carries no stream.
    """
    lengths: dict[StreamKind, list[int]] = {}
    for packet in packets:
        kinds = kinds_of(packet)
        if len(kinds) != 1:
            raise PacketError("protection is chosen for the packets of streams, before any are repaired")
        lengths.setdefault(kinds[0], []).append(len(packet))
    return lengths


def protection_of(lengths: Sequence[int], scheme: Mcs, repair_packets: int, config: ChannelConfig) -> Protection:
    """Return what a stream of packets of ``lengths`` bytes gets under ``scheme`` with ``repair_packets`` of its own.

    Packets are lost one by one. Any as many of them as the stream has bring it whole: the rare failures of RaptorQ
    with just enough symbols are left out.
    """
    return _choices(lengths, scheme, [repair_packets], config).protection(0)


def equal_protection(
    lengths: Mapping[StreamKind, Sequence[int]], config: ChannelConfig, overhead: float = 0.0
) -> dict[StreamKind, Protection]:
    """Return what the streams get under the MCS of ``config`` and one overhead for all, each stream by itself."""
    return {
        kind: protection_of(sizes, config.scheme, repair_count(len(sizes), overhead), config)
        for kind, sizes in lengths.items()
    }


def best_equal_protection(
    lengths: Mapping[StreamKind, Sequence[int]],
    config: ChannelConfig,
    channel_uses: int,
    importance: Importance | None = None,
) -> dict[StreamKind, Protection]:
    """Return the best of all pairs of one MCS and one overhead for all streams within ``channel_uses``.

    Raises:
        BudgetError: none fits.
    """
    importance = importance or measured_importance()
    counts = _equal_repairs(lengths)
    best: tuple[float, int, dict[StreamKind, Protection]] | None = None
    least = None
    for scheme in _schemes(lengths):
        choices = {kind: _choices(sizes, scheme, counts[kind], config) for kind, sizes in lengths.items()}
        uses = np.sum([one.uses for one in choices.values()], axis=0)
        loss = importance.expected_loss({kind: one.whole for kind, one in choices.items()})
        least = min(int(uses[0]), least or int(uses[0]))
        for index in np.lexsort((uses, loss)):
            if uses[index] <= channel_uses:
                found = float(loss[index]), int(uses[index])
                if best is None or found < best[:2]:
                    best = *found, {kind: one.protection(index) for kind, one in choices.items()}
                break
    if best is None:
        raise BudgetError(
            f"{channel_uses} channel uses are too few for this picture's packets, which take {least} at the fastest MCS"
        )
    return best[2]


def unequal_protection(
    lengths: Mapping[StreamKind, Sequence[int]],
    config: ChannelConfig,
    channel_uses: int,
    importance: Importance | None = None,
) -> dict[StreamKind, Protection]:
    """Return an MCS and a number of repair packets for each stream, together within ``channel_uses``.

    ``lengths`` are the packets' lengths in bytes by stream. The search starts from the best equal protection, and from
    the cheapest of all, and takes the best exchange between two streams until none helps: it never expects more loss
    than the former.

    Raises:
        BudgetError: not even the fastest MCS fits.
    """
    importance = importance or measured_importance()
    equal = best_equal_protection(lengths, config, channel_uses, importance)
    options = {kind: _options(sizes, config, channel_uses) for kind, sizes in lengths.items()}
    starts = [equal, {kind: found.protection(0) for kind, found in options.items()}]
    ends = [_improved(start, options, channel_uses, importance) for start in starts if uses_of(start) <= channel_uses]
    return min(ends, key=lambda one: (_loss(one, importance), uses_of(one)))


def uses_of(protections: Mapping[StreamKind, Protection]) -> int:
    """Return the channel uses of all streams together."""
    return sum(one.channel_uses for one in protections.values())


def settings_of(
    protections: Mapping[StreamKind, Protection], lengths: Mapping[StreamKind, Sequence[int]]
) -> dict[str, str]:
    """Return the settings of a channel profile, by dotted name, that give each stream its protection.

    Overheads are rounded up to whole packets, and streams of equal overhead share theirs: a little less than the whole
    number, different for each stream, keeps them apart.
    """
    settings = {}
    for position, (kind, one) in enumerate(protections.items(), start=1):
        overhead = max(0.0, (one.repair_packets - position / 1000) / len(lengths[kind]))
        settings[f"protection.{kind.name}.mcs"] = str(one.scheme.index)
        settings[f"protection.{kind.name}.repair_overhead"] = f"{overhead:.6f}"
    return settings


def _most_repairs(lengths: Sequence[int]) -> int:
    """Return the most repair packets that are tried for one stream; one object of repair has its limits."""
    if len(lengths) > MAX_SOURCE_PACKETS:
        return 0
    return min(MAX_REPAIR_PACKETS, math.floor(_MOST_REPAIR * len(lengths)))


def _equal_repairs(lengths: Mapping[StreamKind, Sequence[int]]) -> dict[StreamKind, list[int]]:
    """Return the numbers of repair packets of each stream at all overheads that all streams can share."""
    longest = max(lengths.values(), key=len)
    overheads = [extra / len(longest) for extra in range(_most_repairs(longest) + 1)]
    return {kind: [repair_count(len(sizes), overhead) for overhead in overheads] for kind, sizes in lengths.items()}


def _choices(lengths: Sequence[int], scheme: Mcs, repairs: Sequence[int], config: ChannelConfig) -> _Choices:
    """Return what a stream gets under ``scheme`` with each of ``repairs``."""
    from scipy.stats import binom  # noqa: PLC0415 - keeps --help quick

    counts = np.array(repairs)
    plain = sum(packet_uses(size, scheme, config) * number for size, number in Counter(lengths).items())
    one_more = packet_uses(repair_packet_bytes(max(lengths), 1), scheme, config) if counts.any() else 0
    whole = binom.cdf(counts, len(lengths) + counts, predict_packet_loss(config, scheme, max(lengths)))
    return _Choices([scheme] * len(counts), counts, plain + counts * one_more, whole)


def _options(lengths: Sequence[int], config: ChannelConfig, channel_uses: int) -> _Choices:
    """Return what one stream may get within ``channel_uses``, the cheapest first, each safer than any cheaper one."""
    repairs = range(_most_repairs(lengths) + 1)
    found = [_choices(lengths, scheme, repairs, config) for scheme in _schemes({StreamKind.HCI: lengths})]
    uses = np.concatenate([one.uses for one in found])
    whole = np.concatenate([one.whole for one in found])
    kept: list[int] = []
    safest = -math.inf
    for index in np.lexsort((-whole, uses)).tolist():
        if uses[index] <= channel_uses and whole[index] > safest + _LEAST_GAIN:
            kept.append(index)
            safest = whole[index]
    return _Choices(
        [found[index // len(repairs)].schemes[0] for index in kept],
        np.array([index % len(repairs) for index in kept]),
        uses[kept],
        whole[kept],
    )


def _improved(
    start: Mapping[StreamKind, Protection],
    options: Mapping[StreamKind, _Choices],
    channel_uses: int,
    importance: Importance,
) -> dict[StreamKind, Protection]:
    """Return what exchanges between two streams lead to from ``start``; less loss counts first, then fewer uses."""
    chosen = dict(start)
    pairs = list(combinations(chosen, 2)) or [(kind, kind) for kind in chosen]
    improved = True
    while improved:
        improved = False
        for first, second in pairs:
            better = _exchanged(chosen, first, second, options, channel_uses, importance)
            gain = _loss(chosen, importance) - _loss(better, importance)
            if gain > _LEAST_GAIN or (gain > -_LEAST_GAIN and uses_of(better) < uses_of(chosen)):
                chosen, improved = better, True
    return chosen


def _exchanged(
    chosen: Mapping[StreamKind, Protection],
    first: StreamKind,
    second: StreamKind,
    options: Mapping[StreamKind, _Choices],
    channel_uses: int,
    importance: Importance,
) -> dict[StreamKind, Protection]:
    """Return ``chosen`` with the best pair of options of two streams, all others as they are.

    The expected loss is linear in each stream's probability, so four corners give it for all pairs.
    """
    room = channel_uses - sum(one.channel_uses for kind, one in chosen.items() if kind not in (first, second))
    others = {kind: one.whole for kind, one in chosen.items()}
    one, other = options[first], options[second]
    if first == second:
        loss = importance.expected_loss({first: one.whole})
        return {first: one.protection(int(np.lexsort((one.uses, np.where(one.uses <= room, loss, np.inf)))[0]))}
    corner = {(a, b): importance.expected_loss(others | {first: a, second: b}) for a in (0.0, 1.0) for b in (0.0, 1.0)}
    p, q = one.whole[:, None], other.whole[None, :]
    loss = (
        (1 - p) * (1 - q) * corner[0.0, 0.0]
        + (1 - p) * q * corner[0.0, 1.0]
        + p * (1 - q) * corner[1.0, 0.0]
        + p * q * corner[1.0, 1.0]
    )
    uses = np.add.outer(one.uses, other.uses)
    loss = np.where(uses <= room, loss + uses * _LEAST_GAIN / channel_uses, np.inf)
    i, j = divmod(int(np.argmin(loss)), loss.shape[1])
    return {**chosen, first: one.protection(i), second: other.protection(j)}


def _schemes(lengths: Mapping[StreamKind, Sequence[int]]) -> list[Mcs]:
    """Return the schemes that carry the longest packet and a repair packet for it."""
    longest = max(max(sizes) for sizes in lengths.values())
    needed = min(MAX_PACKET_BYTES, repair_packet_bytes(longest, len(StreamKind)))
    return [scheme for scheme in map(mcs, MCS_INDICES) if scheme.max_packet_bytes >= needed]


def _loss(protections: Mapping[StreamKind, Protection], importance: Importance) -> float:
    return float(importance.expected_loss({kind: one.whole for kind, one in protections.items()}))
