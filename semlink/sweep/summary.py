"""From rows to points: sums of counts, means over pictures and seeds, and confidence intervals."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from statistics import NormalDist, fmean, variance
from typing import TYPE_CHECKING, Any, Final

from semlink.sweep.settings import MEASURES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

CONFIDENCE: Final = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean or a rate with its confidence interval. Both bounds are None if a picture has only one seed."""

    value: float
    low: float | None
    high: float | None

    @property
    def half_width(self) -> float:
        """Half the width of the interval; infinite if there is no interval."""
        return math.inf if self.low is None or self.high is None else (self.high - self.low) / 2


@dataclass(frozen=True, slots=True)
class PointSummary:
    """Summary of all rows of one point.

    ``endings`` counts rows by ``ending``. ``complete_streams`` is the mean share of streams that arrived complete.
    ``measures`` holds the means over the pictures that have a measure, ``measured`` the number of these pictures.
    """

    key: str
    channel: str
    codec: str
    snr_db: float
    mcs: tuple[int, ...]
    rate_kind: str
    rate: float
    rows: int
    pictures: tuple[str, ...]
    seeds: tuple[int, ...]
    packets: int
    failed: int
    channel_uses: float
    cbr: float
    container_bytes: float
    bpp: float
    complete_streams: float | None
    endings: dict[str, int]
    bler: Interval
    measures: dict[str, Interval]
    measured: dict[str, int]


def summarise_points(rows: Iterable[dict[str, Any]], confidence: float = CONFIDENCE) -> list[PointSummary]:
    """Return a summary of each point of ``rows``, sorted by channel, codec, rate and SNR."""
    by_point: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        by_point[row["point"]].append(row)
    points = [_summarise(found, confidence) for found in by_point.values()]
    return sorted(points, key=lambda one: (one.channel, one.codec, one.rate_kind, one.rate, one.snr_db))


def count_failed_packets(rows: Iterable[dict[str, Any]]) -> int:
    """Return the number of packets that were not delivered."""
    return sum(row["packets"] - row["delivered"] for row in rows)


def estimate(rows: Sequence[dict[str, Any]], measure: str, confidence: float = CONFIDENCE) -> Interval | None:
    """Return ``measure`` over the rows of one point with its interval; None if no row has the measure.

    ``bler`` is failed packets over packets with Wilson's interval, which assumes independent packets. Every other
    measure is a mean over the pictures that have it, with the interval of ``stratified_mean``. Whether a picture has a
    measure depends on its size alone, so that the pictures are the same at every point.
    """
    if measure == "bler":
        return wilson_interval(count_failed_packets(rows), sum(row["packets"] for row in rows), confidence)
    strata = _by_picture(rows, measure)
    return stratified_mean(list(strata.values()), confidence) if strata else None


def wilson_interval(events: int, trials: int, confidence: float = CONFIDENCE) -> Interval:
    """Return Wilson's score interval of a probability (J. Am. Stat. Assoc. 22, 1927); no interval without a trial."""
    # scipy.stats.binomtest has the same interval, but takes a second to import and also computes a p-value.
    if trials == 0:
        return Interval(math.nan, None, None)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = events / trials
    scale = 1 + z * z / trials
    middle = (share + z * z / (2 * trials)) / scale
    spread = z / scale * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    return Interval(share, max(0.0, middle - spread), min(1.0, middle + spread))


def stratified_mean(strata: Sequence[Sequence[float]], confidence: float = CONFIDENCE) -> Interval:
    """Return the mean of the strata's means, with Student's interval for random values within fixed strata.

    A stratum is a picture. Its values, one per seed, are independent of each other and of those of other pictures. The
    degrees of freedom are Welch's and Satterthwaite's (Biometrics Bulletin 2, 1946). There is no interval if a stratum
    has a single value, because its variance is unknown.
    """
    mean = fmean(fmean(values) for values in strata)
    if any(len(values) < 2 for values in strata):
        return Interval(mean, None, None)
    squares = [variance(values) / len(values) for values in strata]
    if not sum(squares):
        return Interval(mean, mean, mean)
    from scipy.special import stdtrit  # noqa: PLC0415 - keeps --help quick

    # As shares of the sum: the squares of tiny variances would underflow.
    shares = [one / sum(squares) for one in squares]
    freedom = 1 / sum(share**2 / (len(values) - 1) for share, values in zip(shares, strata, strict=True))
    spread = float(stdtrit(freedom, (1 + confidence) / 2)) * math.sqrt(sum(squares)) / len(strata)
    return Interval(mean, mean - spread, mean + spread)


def _by_picture(rows: Iterable[dict[str, Any]], measure: str) -> dict[str, list[float]]:
    """Return the values of ``measure``, by seed, of each picture that has it."""
    found: dict[str, list[float]] = defaultdict(list)
    for row in sorted(rows, key=lambda one: (one["picture"], one["seed"])):
        if row[measure] is not None:
            found[row["picture"]].append(row[measure])
    return found


def _summarise(rows: list[dict[str, Any]], confidence: float) -> PointSummary:
    first = rows[0]
    measures = {name: estimate(rows, name, confidence) for name in MEASURES}
    endings: dict[str, int] = defaultdict(int)
    for row in rows:
        endings[row["ending"]] += 1
    shares = [len(row["streams_whole"].split()) / len(sent) for row in rows if (sent := row["streams_sent"].split())]
    samples = [3 * row["width"] * row["height"] for row in rows]
    return PointSummary(
        key=first["point"],
        channel=first["channel"],
        codec=first["codec"],
        snr_db=first["es_n0_db"] if first["snr_db"] is None else first["snr_db"],
        mcs=tuple(sorted({row["mcs"] for row in rows if row["mcs"] is not None})),
        rate_kind=first["rate_kind"],
        rate=first["rate"],
        rows=len(rows),
        pictures=tuple(sorted({row["picture"] for row in rows})),
        seeds=tuple(sorted({row["seed"] for row in rows})),
        packets=sum(row["packets"] for row in rows),
        failed=count_failed_packets(rows),
        channel_uses=fmean(row["channel_uses"] for row in rows),
        cbr=fmean(row["channel_uses"] / size for row, size in zip(rows, samples, strict=True)),
        container_bytes=fmean(row["container_bytes"] for row in rows),
        bpp=fmean(24 * row["container_bytes"] / size for row, size in zip(rows, samples, strict=True)),
        complete_streams=fmean(shares) if shares else None,
        endings=dict(sorted(endings.items())),
        bler=wilson_interval(count_failed_packets(rows), sum(row["packets"] for row in rows), confidence),
        measures={name: one for name, one in measures.items() if one is not None},
        measured={name: len(_by_picture(rows, name)) for name, one in measures.items() if one is not None},
    )
