"""From rows to what is reported: means per codec and budget, patch-FID, and differences at equal bytes."""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from receiver.metrics.names import PATCH_FID
from semlink.evaluate.codec import read_image
from semlink.evaluate.pictures import source_in
from semlink.evaluate.results import key_of
from shared.bitstream import Bitstream
from shared.files import write_file
from shared.pixels import to_tensor

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from semlink.evaluate.results import Row
    from shared.efficientnet import EfficientNetLite

ANCHORS = ("vvc", "avif-esrgan")
"""Codecs that all others are compared with."""
ABSOLUTE = {"psnr_db": 1.0, "top1": 100.0, "top5": 100.0}
"""Measures whose difference is told as it is (dB, percentage points), not in percent of the anchor's."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Means over the ``pictures`` that one codec decoded at one budget; ``patches`` went into patch-FID.

    ``streams`` are the bytes of a file by kind of stream, and of what frames them; empty for a codec without streams.
    """

    codec: str
    budget: str
    pictures: tuple[str, ...]
    bytes: float
    bpp: float
    measures: dict[str, float | None] = field(default_factory=dict)
    patches: int = 0
    streams: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Difference:
    """A codec against ``anchor`` at one budget, over the pictures that both decoded; ``bytes`` and most in percent."""

    codec: str
    anchor: str
    budget: str
    pictures: int
    bytes: float
    measures: dict[str, float | None] = field(default_factory=dict)


def cells_of(rows: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    """Return the rows of every (codec, budget), in the order in which they first come."""
    cells: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        cells.setdefault((row.codec, row.budget), []).append(row)
    return cells


def mean_cell(rows: Sequence[Row], patch_fid: tuple[float | None, int] = (None, 0)) -> Cell:
    """Return the means over ``rows``, all of one codec and budget; ``patch_fid`` with its number of patches."""
    names = {name: None for row in rows for name in row.measures}
    means: dict[str, float | None] = {name: _mean([row.measures.get(name) for row in rows]) for name in names}
    return Cell(
        rows[0].codec,
        rows[0].budget,
        tuple(row.picture for row in rows),
        statistics.fmean(row.bytes for row in rows),
        statistics.fmean(row.bpp for row in rows),
        means | {PATCH_FID: patch_fid[0]},
        patch_fid[1],
    )


SUFFIX = ".sem"
FRAMING = "header, lengths and CRC"


def stream_bytes(rows: Sequence[Row], folder: Path) -> dict[str, float]:
    """Return the mean bytes of each kind of stream in the ``.sem`` files of ``rows``; one that is not there has 0."""
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


def differences(rows: Sequence[Row], cells: Sequence[Cell]) -> list[Difference]:
    """Return every codec against every anchor that is there, at the budgets that both have."""
    by_cell = cells_of(rows)
    whole = {(cell.codec, cell.budget): cell for cell in cells}
    found = []
    for anchor in ANCHORS:
        for (codec, budget), ours in by_cell.items():
            theirs = by_cell.get((anchor, budget))
            if codec == anchor or theirs is None:
                continue
            common = {row.picture for row in ours} & {row.picture for row in theirs}
            if common:
                one, other = (mean_cell([row for row in part if row.picture in common]) for part in (ours, theirs))
                same = set(whole[codec, budget].pictures) == set(whole[anchor, budget].pictures)
                fids = [whole[name, budget].measures[PATCH_FID] if same else None for name in (codec, anchor)]
                found.append(_difference(one, other, fids[0], fids[1]))
    return found


class PatchFid:
    """patch-FID of cells, computed from the decoded files in ``folder`` and kept there."""

    def __init__(self, network: EfficientNetLite, folder: Path) -> None:
        self._network = network
        self._folder = folder
        self._path = folder / "patch_fid.json"
        self._known = _known_in(self._path)
        self._originals: dict[str, NDArray[np.float32]] = {}

    def of(self, rows: Sequence[Row]) -> tuple[float | None, int]:
        """Return the patch-FID of one cell's rows, None with fewer than two patches, and the number of patches."""
        key = key_of(PATCH_FID, sorted(row.key for row in rows))
        if key not in self._known:
            self._known[key] = self._computed(rows)
            write_file(self._path, json.dumps(self._known).encode())
        value, patches = self._known[key]
        return value, int(patches or 0)

    def _computed(self, rows: Sequence[Row]) -> tuple[float | None, int]:
        from receiver.metrics.patch_fid import frechet_distance, patch_features  # noqa: PLC0415 - imports torch

        decoded = []
        for row in rows:
            pixels = read_image((self._folder / row.decoded).read_bytes(), "PNG")
            decoded.append(patch_features(self._network, to_tensor(pixels)))
        features = np.concatenate(decoded)
        references = np.concatenate([self._original(row) for row in rows])
        return frechet_distance(features, references), len(features)

    def _original(self, row: Row) -> NDArray[np.float32]:
        from pathlib import Path  # noqa: PLC0415

        from receiver.metrics.patch_fid import patch_features  # noqa: PLC0415

        if row.picture not in self._originals:
            pixels = source_in(Path(row.source)).pixels
            self._originals[row.picture] = patch_features(self._network, to_tensor(pixels))
        return self._originals[row.picture]


def _mean(values: Sequence[float | None]) -> float | None:
    """Return the mean of those that are known, None where none is."""
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def _difference(ours: Cell, theirs: Cell, our_fid: float | None, their_fid: float | None) -> Difference:
    one, other = ours.measures | {PATCH_FID: our_fid}, theirs.measures | {PATCH_FID: their_fid}
    measures = {name: _relative(name, one[name], other.get(name)) for name in one}
    return Difference(
        ours.codec,
        theirs.codec,
        ours.budget,
        len(ours.pictures),
        100 * (ours.bytes / theirs.bytes - 1),
        measures,
    )


def _relative(name: str, ours: float | None, theirs: float | None) -> float | None:
    if ours is None or theirs is None:
        return None
    if name in ABSOLUTE:
        return ABSOLUTE[name] * (ours - theirs)
    return 100 * (ours / theirs - 1) if theirs else None


def _known_in(path: Path) -> dict[str, tuple[float | None, int]]:
    try:
        known = json.loads(path.read_text())
        return {str(key): (value, int(patches)) for key, (value, patches) in known.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
