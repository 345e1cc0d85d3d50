"""patch-FID of an evaluation, cached in its folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from receiver.metrics.names import PATCH_FID
from semlink.baselines.codec import read_image
from semlink.evaluate.pictures import load_original
from semlink.evaluate.results import hash_key
from shared.files import write_file
from shared.imaging.levels import FULL
from shared.pixels import to_tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from semlink.evaluate.results import EvaluationRow
    from shared.efficientnet import EfficientNetLite
    from shared.imaging.levels import Levels


class PatchFid:
    """Computes patch-FID from the decoded files in ``folder``, and caches it there.

    Features of the originals stay in memory, because all codecs are compared with the same originals; they are
    read with ``levels``.
    """

    def __init__(self, network: EfficientNetLite, folder: Path, levels: Levels = FULL) -> None:
        self._network = network
        self._levels = levels
        self._folder = folder
        self._path = folder / "patch_fid.json"
        self._known = _read_known(self._path)
        self._originals: dict[str, NDArray[np.float32]] = {}

    def compute(self, rows: Sequence[EvaluationRow]) -> tuple[float | None, int]:
        """Return patch-FID over ``rows`` and the number of patches; None with fewer than two patches."""
        key = hash_key(PATCH_FID, sorted(row.key for row in rows))
        if key not in self._known:
            self._known[key] = self._compute(rows)
            write_file(self._path, json.dumps(self._known).encode())
        return self._known[key]

    def _compute(self, rows: Sequence[EvaluationRow]) -> tuple[float | None, int]:
        from receiver.metrics.patch_fid import frechet_distance, patch_features  # noqa: PLC0415 - imports torch

        decoded = []
        for row in rows:
            pixels = read_image((self._folder / row.decoded).read_bytes(), "PNG")
            decoded.append(patch_features(self._network, to_tensor(pixels)))
        features = np.concatenate(decoded)
        references = np.concatenate([self._original_features(row) for row in rows])
        return frechet_distance(features, references), len(features)

    def _original_features(self, row: EvaluationRow) -> NDArray[np.float32]:
        from receiver.metrics.patch_fid import patch_features  # noqa: PLC0415 - imports torch

        if row.picture not in self._originals:
            pixels = load_original(Path(row.source), self._levels).pixels
            self._originals[row.picture] = patch_features(self._network, to_tensor(pixels))
        return self._originals[row.picture]


def _read_known(path: Path) -> dict[str, tuple[float | None, int]]:
    """Return the cached values by key; none if the file is missing or damaged."""
    try:
        known = json.loads(path.read_text())
        return {str(key): (value, int(patches)) for key, (value, patches) in known.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
