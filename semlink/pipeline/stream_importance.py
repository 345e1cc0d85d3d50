"""What each stream of a picture is worth: the measured loss of quality for every set of streams that is received.

Losses are LPIPS-Alex (``stream_importance.json``). See ``docs/protection.md``.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from shared.errors import ConfigError
from shared.streams import StreamKind

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_FILE: Final = Path(__file__).with_name("stream_importance.json")


@dataclass(frozen=True, slots=True)
class Importance:
    """Measured loss of quality by the set of streams that is received; streams that were not measured are ignored."""

    loss_by_streams: Mapping[frozenset[StreamKind], float]

    def loss(self, received: frozenset[StreamKind]) -> float:
        """Return the loss of quality if exactly the streams ``received`` are complete."""
        return self.loss_by_streams[received & self.measured]

    @property
    def measured(self) -> frozenset[StreamKind]:
        """The streams that were measured."""
        return max(self.loss_by_streams, key=len)

    def expected_loss(self, complete: Mapping[StreamKind, Any]) -> Any:
        """Return the expected loss for the probability in ``complete`` that each stream is complete, independently.

        Probabilities may be numbers or arrays of one shape, which is then the shape of the result.
        """
        kinds = [kind for kind in complete if kind in self.measured]
        total: Any = 0.0
        for size in range(len(kinds) + 1):
            for received in combinations(kinds, size):
                probability = math.prod(complete[kind] if kind in received else 1 - complete[kind] for kind in kinds)
                total += probability * self.loss(frozenset(received))
        return total


@lru_cache(maxsize=1)
def load_importance() -> Importance:
    """Return the importance that ``python -m benchmarks.decoder.stream_importance`` measured."""
    rows = json.loads(_FILE.read_text(encoding="utf-8"))["subsets"]
    return Importance({frozenset(StreamKind[name] for name in row["received"]): row["lpips_alex"] for row in rows})


def check_measured(kinds: Collection[StreamKind], importance: Importance | None = None) -> None:
    """Check that all of ``kinds`` were measured: a stream of unknown importance would get next to no protection.

    Raises:
        ConfigError: one was not measured.
    """
    unknown = [kind.name for kind in kinds if kind not in (importance or load_importance()).measured]
    if unknown:
        raise ConfigError(
            f"--protect unequal: the importance of the stream {unknown[0]} has not been measured; use --protect equal, "
            "or measure it: python -m benchmarks.decoder.stream_importance"
        )
