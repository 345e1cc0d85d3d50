"""Which MCS and how many repair packets each stream gets, for the smallest expected loss of quality.

The expected loss is the sum over all subsets of streams of its probability (``channel.forecast``) times the measured
loss of quality when just that subset comes (``stream_importance.json``). See ``docs/protection.md``.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from channel.forecast import packet_loss
from channel.mcs import MCS_INDICES, Mcs, mcs
from lab.channel_uses import packet_uses
from shared.errors import BudgetError, ConfigError, PacketError
from shared.packets import MAX_PACKET_BYTES
from shared.repair.encoder import MAX_OVERHEAD, repair_count
from shared.repair.packet import MAX_REPAIR_PACKETS, kinds_of, repair_packet_bytes
from shared.streams import StreamKind

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

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

    def expected_loss(self, whole: Mapping[StreamKind, float]) -> float:
        """Return the expected loss where each stream comes with its probability in ``whole``, by itself."""
        kinds = [kind for kind in whole if kind in self.measured]
        total = 0.0
        for size in range(len(kinds) + 1):
            for came in combinations(kinds, size):
                share = math.prod(whole[kind] if kind in came else 1 - whole[kind] for kind in kinds)
                total += share * self.loss(frozenset(came))
        return total


@lru_cache(maxsize=1)
def measured_importance() -> Importance:
    """Return what ``python -m benchmarks.stream_importance`` measured."""
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
            "measure it: python -m benchmarks.stream_importance"
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
    sent = [*lengths, *[repair_packet_bytes(max(lengths), 1)] * repair_packets]
    uses = sum(packet_uses(length, scheme, config) for length in sent)
    loss = packet_loss(config, scheme, max(lengths))
    from scipy.stats import binom  # noqa: PLC0415 - keeps --help quick

    return Protection(scheme, repair_packets, uses, float(binom.cdf(repair_packets, len(sent), loss)))


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
    most = max(map(len, lengths.values()))
    found = [
        equal_protection(lengths, config.model_copy(update={"mcs": scheme.index}), extra / most)
        for scheme in _schemes(lengths)
        for extra in range(math.floor(_MOST_REPAIR * most) + 1)
    ]
    fitting = [one for one in found if uses_of(one) <= channel_uses]
    if not fitting:
        raise BudgetError(_too_few(channel_uses, found))
    return min(fitting, key=lambda one: (_loss(one, importance), uses_of(one)))


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
    options = {kind: _options(sizes, config, channel_uses) for kind, sizes in lengths.items()}
    equal = best_equal_protection(lengths, config, channel_uses, importance)
    starts = [equal, {kind: found[0] for kind, found in options.items()}]
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


def _options(lengths: Sequence[int], config: ChannelConfig, channel_uses: int) -> list[Protection]:
    """Return all protections of one stream that fit and that no cheaper one equals, the cheapest first."""
    most = min(MAX_REPAIR_PACKETS, math.floor(min(_MOST_REPAIR, MAX_OVERHEAD) * len(lengths)))
    found = [
        protection_of(lengths, scheme, repair, config)
        for scheme in _schemes({StreamKind.HCI: lengths})
        for repair in range(most + 1)
    ]
    kept: list[Protection] = []
    for one in sorted(found, key=lambda one: (one.channel_uses, -one.whole)):
        if one.channel_uses <= channel_uses and (not kept or one.whole > kept[-1].whole):
            kept.append(one)
    return kept


def _improved(
    start: Mapping[StreamKind, Protection],
    options: Mapping[StreamKind, Sequence[Protection]],
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
    options: Mapping[StreamKind, Sequence[Protection]],
    channel_uses: int,
    importance: Importance,
) -> dict[StreamKind, Protection]:
    """Return ``chosen`` with the best pair of options of two streams, all others as they are.

    The expected loss is linear in each stream's probability, so four corners give it for all pairs.
    """
    room = channel_uses - sum(one.channel_uses for kind, one in chosen.items() if kind not in (first, second))
    others = {kind: one.whole for kind, one in chosen.items()}
    if first == second:
        best = min(
            (one for one in options[first] if one.channel_uses <= room),
            key=lambda one: (importance.expected_loss({first: one.whole}), one.channel_uses),
        )
        return {first: best}
    corner = {(a, b): importance.expected_loss(others | {first: a, second: b}) for a in (0.0, 1.0) for b in (0.0, 1.0)}
    p = np.array([one.whole for one in options[first]])[:, None]
    q = np.array([one.whole for one in options[second]])[None, :]
    loss = (
        (1 - p) * (1 - q) * corner[0.0, 0.0]
        + (1 - p) * q * corner[0.0, 1.0]
        + p * (1 - q) * corner[1.0, 0.0]
        + p * q * corner[1.0, 1.0]
    )
    uses = np.add.outer([one.channel_uses for one in options[first]], [one.channel_uses for one in options[second]])
    loss = np.where(uses <= room, loss + uses * _LEAST_GAIN / channel_uses, np.inf)
    i, j = divmod(int(np.argmin(loss)), loss.shape[1])
    return {**chosen, first: options[first][i], second: options[second][j]}


def _schemes(lengths: Mapping[StreamKind, Sequence[int]]) -> list[Mcs]:
    """Return the schemes that carry the longest packet and a repair packet for it."""
    longest = max(max(sizes) for sizes in lengths.values())
    needed = min(MAX_PACKET_BYTES, repair_packet_bytes(longest, len(StreamKind)))
    return [scheme for scheme in map(mcs, MCS_INDICES) if scheme.max_packet_bytes >= needed]


def _loss(protections: Mapping[StreamKind, Protection], importance: Importance) -> float:
    return importance.expected_loss({kind: one.whole for kind, one in protections.items()})


def _too_few(channel_uses: int, found: Sequence[Mapping[StreamKind, Protection]]) -> str:
    least = min(map(uses_of, found))
    return f"{channel_uses} channel uses are too few for this picture's packets, which take {least} at the fastest MCS"
