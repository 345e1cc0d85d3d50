"""What each stream and each slice of a picture is worth: the measured loss of quality for what is received.

Losses are LPIPS-Alex (``models/importance/streams.json``). See ``docs/protection.md``.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from receiver.pocket.config import CONFIG_NAME, weights_folder
from shared.errors import ConfigError
from shared.streams import StreamKind

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

IMPORTANCE_FILE: Final = Path(str(resources.files("models"))) / "importance" / "streams.json"
MEASURE: Final = "python -m benchmarks.decoder.stream_importance"


@dataclass(frozen=True, slots=True)
class Importance:
    """Measured loss of quality by the set of streams that is received.

    ``gain_by_share`` is the part of what all slices of the HCI (highly compressed image) improve that 0 to all of them
    improve, in equal steps, with a base (True) and without. ``decoder_sha256`` is ``hash_decoder`` of the decoder that
    was measured.
    """

    loss_by_streams: Mapping[frozenset[StreamKind], float]
    gain_by_share: Mapping[bool, Sequence[float]] = field(default_factory=dict)
    decoder_sha256: str = ""

    def loss(self, received: frozenset[StreamKind]) -> float:
        """Return the loss of quality if exactly the streams ``received`` are complete."""
        return self.loss_by_streams[received]

    def gain(self, shares: NDArray[np.float64], *, base: bool) -> NDArray[np.float64]:
        """Return the part, 0 to 1, of what all slices improve that each of ``shares`` of them improves."""
        known = self.gain_by_share.get(base, (0.0, 1.0))
        return np.interp(shares, np.linspace(0, 1, len(known)), known)

    def expected_loss(self, complete: Mapping[StreamKind, Any]) -> Any:
        """Return the expected loss for the probability in ``complete`` that each stream is complete, independently.

        Probabilities may be numbers or arrays of one shape, which is then the shape of the result. For slices, the
        expected ``gain`` takes the place of the probability.
        """
        total: Any = 0.0
        for size in range(len(complete) + 1):
            for received in combinations(complete, size):
                probability = math.prod(one if kind in received else 1 - one for kind, one in complete.items())
                total += probability * self.loss(frozenset(received))
        return total


@lru_cache(maxsize=1)
def load_importance() -> Importance:
    """Return the importance that ``python -m benchmarks.decoder.stream_importance`` measured."""
    document = json.loads(IMPORTANCE_FILE.read_text(encoding="utf-8"))
    by_streams = {
        frozenset(StreamKind[name] for name in row["received"]): row["lpips_alex"] for row in document["subsets"]
    }
    gains = {}
    for base in (False, True):
        losses = np.array([row["lpips_alex"] for row in document["slices"] if row["base"] is base])
        gains[base] = ((losses[0] - losses) / (losses[0] - losses[-1])).tolist()
    return Importance(by_streams, gains, document["decoder_sha256"])


def hash_decoder() -> str:
    """Return the SHA-256 of the decoder's ``config.json``, which holds its options and the SHA-256 of its networks.

    It is empty if there is no such file.
    """
    try:
        return hashlib.sha256((weights_folder() / CONFIG_NAME).read_bytes()).hexdigest()
    except OSError:
        return ""


def check_measured(kinds: Collection[StreamKind], importance: Importance) -> None:
    """Check that all of ``kinds`` were measured together: what is not known cannot be weighed.

    Raises:
        ConfigError: they were not.
    """
    if frozenset(kinds) not in importance.loss_by_streams:
        names = ", ".join(sorted(kind.name for kind in kinds))
        raise ConfigError(
            f"the worth of the streams {names} was not measured together; use --protect none, or measure it: {MEASURE}"
        )
