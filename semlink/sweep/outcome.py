"""What became of one picture, and the row that says so."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image

from channel.link.outcome import PacketOutcome
from semlink.sweep.settings import MEASURES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from semlink.sweep.plan import Task

WEBP_QUALITY: Final = 90
REBUILT: Final = "rebuilt"
INVENTED: Final = "invented"
"""No stream came whole: the decoder invented all."""
LOST: Final = "lost"
"""No picture: one in the original's mean colour stands in for it."""
TOO_SMALL: Final = "too small"
"""The rate holds not even the smallest encoding; shown as one that is lost."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was sent and what arrived; of a picture that could not be sent all is zero.

    ``mcs`` is None under an ideal code, which has no packets. ``streams_sent`` and ``streams_whole`` name the streams
    of the container; a classical file has none.
    """

    mcs: int | None = None
    packets: int = 0
    packet_outcomes: Mapping[PacketOutcome, int] = field(default_factory=dict)
    channel_uses: int = 0
    container_bytes: int = 0
    streams_sent: tuple[str, ...] = ()
    streams_whole: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture as shown: hash of its pixels, how it came about, its measures, and it as a file."""

    digest: str
    ending: str
    measures: Mapping[str, float | None]
    file: bytes = field(repr=False, default=b"")


def row_of(task: Task, outcome: Outcome, shown: Shown, walls: Mapping[str, float]) -> dict[str, Any]:
    """Return the row; all but ``wall_s`` is the same on every machine of one kind."""
    point, picture = task.point, task.picture
    return {
        "key": task.key,
        "point": point.key,
        "channel": point.channel,
        "snr_db": point.snr_db,
        "es_n0_db": point.es_n0_db,
        "codec": point.codec.name,
        "mcs": outcome.mcs,
        "rate_kind": point.rate_kind,
        "rate": float(point.rate),
        "packet_bytes": point.packet_bytes,
        "picture": picture.name,
        "picture_sha256": picture.digest,
        "width": picture.width,
        "height": picture.height,
        "seed": task.seed,
        "packets": outcome.packets,
        "delivered": outcome.packet_outcomes.get(PacketOutcome.DELIVERED, 0),
        "fec_failed": outcome.packet_outcomes.get(PacketOutcome.FEC_FAILED, 0),
        "erased": outcome.packet_outcomes.get(PacketOutcome.ERASED, 0),
        "expired": outcome.packet_outcomes.get(PacketOutcome.EXPIRED, 0),
        "channel_uses": outcome.channel_uses,
        "container_bytes": outcome.container_bytes,
        "streams_sent": " ".join(outcome.streams_sent),
        "streams_whole": " ".join(outcome.streams_whole),
        "ending": shown.ending,
        "pixels_sha256": shown.digest,
        **{name: shown.measures.get(name) for name in MEASURES},
        **walls,
    }


def pixel_digest(pixels: NDArray[np.uint8]) -> str:
    """Return a hash of shape and pixels."""
    return hashlib.sha256(repr(pixels.shape).encode() + np.ascontiguousarray(pixels).tobytes()).hexdigest()[:32]


def kept_file(pixels: NDArray[np.uint8]) -> bytes:
    """Return ``pixels`` as a WebP file for looking at."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "WEBP", quality=WEBP_QUALITY)
    return out.getvalue()
