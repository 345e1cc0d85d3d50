"""From rows to what is reported: means per codec and budget, and differences at equal bytes."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from receiver.metrics.names import PATCH_FID
from shared.bitstream import Bitstream

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from semlink.evaluate.results import EvaluationRow

ANCHORS = ("vvc", "avif-esrgan")
"""Codecs that all others are compared with."""
ABSOLUTE = {"psnr_db": 1.0, "top1": 100.0, "top5": 100.0}
"""Measures whose difference is reported in dB or percentage points, not in percent of the anchor's value."""
SUFFIX = ".sem"
FRAMING = "header, lengths and CRC"


@dataclass(frozen=True, slots=True)
class Average:
    """Means over the pictures that one codec decoded at one budget.

    Args:
        codec: the codec as the user wrote it.
        budget: the budget as the user wrote it.
        pictures: names of the pictures.
        bytes: mean size of a file.
        bpp: mean bits per pixel.
        measures: mean of each measure over the pictures that have it; None if no picture has it.
        counts: number of these pictures by measure.
        patches: number of patches in patch-FID.
        stream_bytes: mean bytes of a file by kind of stream, and of its framing; empty for a codec without streams.
    """

    codec: str
    budget: str
    pictures: tuple[str, ...]
    bytes: float
    bpp: float
    measures: dict[str, float | None] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    patches: int = 0
    stream_bytes: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Difference:
    """A codec minus ``anchor`` at one budget, over the pictures that both decoded.

    ``bytes`` and all measures but those in ``ABSOLUTE`` are in percent of the anchor's value. Each measure is over the
    pictures for which both have it; ``counts`` is the number of these pictures by measure.
    """

    codec: str
    anchor: str
    budget: str
    pictures: int
    bytes: float
    measures: dict[str, float | None] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)


def group_rows(rows: Sequence[EvaluationRow]) -> dict[tuple[str, str], list[EvaluationRow]]:
    """Return the rows of every codec and budget, in order of first occurrence."""
    groups: dict[tuple[str, str], list[EvaluationRow]] = {}
    for row in rows:
        groups.setdefault((row.codec, row.budget), []).append(row)
    return groups


def average_rows(
    rows: Sequence[EvaluationRow],
    patch_fid: tuple[float | None, int] = (None, 0),
    stream_bytes: dict[str, float] | None = None,
) -> Average:
    """Return the means over ``rows``, all of one codec and budget. ``patch_fid`` is the value and its patches."""
    names = {name: None for row in rows for name in row.measures}
    known = {name: [value for row in rows if (value := row.measures.get(name)) is not None] for name in names}
    return Average(
        codec=rows[0].codec,
        budget=rows[0].budget,
        pictures=tuple(row.picture for row in rows),
        bytes=statistics.fmean(row.bytes for row in rows),
        bpp=statistics.fmean(row.bpp for row in rows),
        measures={name: statistics.fmean(values) if values else None for name, values in known.items()}
        | {PATCH_FID: patch_fid[0]},
        counts={name: len(values) for name, values in known.items()}
        | {PATCH_FID: len(rows) if patch_fid[0] is not None else 0},
        patches=patch_fid[1],
        stream_bytes=stream_bytes or {},
    )


def average_stream_bytes(rows: Sequence[EvaluationRow], folder: Path) -> dict[str, float]:
    """Return the mean bytes per kind of stream over the ``.sem`` files of ``rows``; a missing stream counts as 0.

    Empty if the files are not ``.sem`` files.
    """
    sums: dict[str, int] = {}
    for row in rows:
        if not row.file.endswith(SUFFIX):
            return {}
        streams = Bitstream.unpack((folder / row.file).read_bytes()).streams
        for stream in streams:
            sums[stream.kind.name] = sums.get(stream.kind.name, 0) + len(stream.payload)
        framing = row.bytes - sum(len(stream.payload) for stream in streams)
        sums[FRAMING] = sums.get(FRAMING, 0) + framing
    return {name: total / len(rows) for name, total in sums.items()}


def compare_with_anchors(rows: Sequence[EvaluationRow], averages: Sequence[Average]) -> list[Difference]:
    """Return the difference of every codec to every anchor at the budgets that both have.

    patch-FID is compared only if both decoded the same pictures: it is not a mean over pictures.
    """
    groups = group_rows(rows)
    all_pictures = {(one.codec, one.budget): one for one in averages}
    found = []
    for anchor in ANCHORS:
        for (codec, budget), codec_rows in groups.items():
            anchor_rows = groups.get((anchor, budget))
            if codec == anchor or anchor_rows is None:
                continue
            common = {row.picture for row in codec_rows} & {row.picture for row in anchor_rows}
            if not common:
                continue
            complete = all_pictures[codec, budget], all_pictures[anchor, budget]
            same = set(complete[0].pictures) == set(complete[1].pictures)
            ours, theirs = (
                average_rows(part, (one.measures[PATCH_FID] if same else None, 0))
                for part, one in zip(_rows_in_common(codec_rows, anchor_rows), complete, strict=True)
            )
            found.append(_difference(ours, theirs))
    return found


def _rows_in_common(
    ours: Sequence[EvaluationRow], theirs: Sequence[EvaluationRow]
) -> tuple[list[EvaluationRow], list[EvaluationRow]]:
    """Return the rows of the pictures that both decoded, with the measures that both have for a picture."""
    pairs = [(one, other) for one in ours for other in theirs if one.picture == other.picture]
    kept = []
    for pair in pairs:
        names = [name for name in pair[0].measures if all(row.measures.get(name) is not None for row in pair)]
        kept.append([replace(row, measures={name: row.measures[name] for name in names}) for row in pair])
    return [one for one, _ in kept], [other for _, other in kept]


def _difference(ours: Average, theirs: Average) -> Difference:
    return Difference(
        codec=ours.codec,
        anchor=theirs.codec,
        budget=ours.budget,
        pictures=len(ours.pictures),
        bytes=100 * (ours.bytes / theirs.bytes - 1),
        measures={name: _relative(name, value, theirs.measures.get(name)) for name, value in ours.measures.items()},
        counts=ours.counts,
    )


def _relative(name: str, ours: float | None, theirs: float | None) -> float | None:
    if ours is None or theirs is None:
        return None
    if name in ABSOLUTE:
        return ABSOLUTE[name] * (ours - theirs)
    return 100 * (ours / theirs - 1) if theirs else None
