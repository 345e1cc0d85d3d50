"""A row: the result of one task, with its columns."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image

from channel.link.outcome import PacketOutcome
from semlink.sweep.settings import MEASURES
from shared.printable import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from semlink.sweep.plan import Task

WEBP_QUALITY: Final = 90
TOO_SMALL: Final = "too small"
"""The rate does not hold the smallest encoding. The original's mean colour stands in for the picture."""

TEXT_COLUMNS: Final = (
    *("key", "point", "channel", "codec", "rate_kind"),
    *("picture", "picture_sha256", "streams_sent", "streams_whole", "ending", "pixels_sha256"),
    *("models", "models_sha256"),
)
COUNT_COLUMNS: Final = (
    *("mcs", "packet_bytes", "width", "height", "seed"),
    *("packets", "delivered", "fec_failed", "erased", "expired", "channel_uses", "container_bytes"),
)
WALL_COLUMN: Final = "wall_s"
NUMBER_COLUMNS: Final = ("snr_db", "es_n0_db", "rate", *MEASURES, WALL_COLUMN)


@dataclass(frozen=True, slots=True)
class TransmissionSummary:
    """What was sent and what arrived. All counts are zero if the picture could not be sent.

    Args:
        mcs: row of the MCS table; None under an ideal code, which has no packets.
        packets: number of packets sent.
        packet_outcomes: number of packets by outcome.
        channel_uses: complex symbols spent.
        container_bytes: size of the container, or of the classical file.
        streams_sent: kinds of the streams in the container; empty for a classical file.
        streams_complete: kinds of the streams that arrived complete.
    """

    mcs: int | None = None
    packets: int = 0
    packet_outcomes: Mapping[PacketOutcome, int] = field(default_factory=dict)
    channel_uses: int = 0
    container_bytes: int = 0
    streams_sent: tuple[str, ...] = ()
    streams_complete: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReceivedPicture:
    """The picture that the receiver shows.

    Args:
        digest: hash of its pixels.
        ending: ``rebuilt``, ``invented``, ``lost`` or ``too small``.
        measures: its quality by measure.
        file: the picture as a WebP file.
    """

    digest: str
    ending: str
    measures: Mapping[str, float | None]
    file: bytes = field(repr=False, default=b"")


def make_row(task: Task, sent: TransmissionSummary, received: ReceivedPicture, wall_s: float) -> dict[str, Any]:
    """Return the row of ``task``. All columns except ``wall_s`` are the same on every machine of one kind."""
    point, picture = task.point, task.picture
    return {
        "key": task.key,
        "point": point.key,
        "channel": printable(point.channel),
        "snr_db": point.snr_db,
        "es_n0_db": point.es_n0_db,
        "codec": point.codec.name,
        "mcs": sent.mcs,
        "rate_kind": point.rate_kind,
        "rate": float(point.rate),
        "packet_bytes": point.packet_bytes,
        "picture": picture.name,
        "picture_sha256": picture.digest,
        "width": picture.width,
        "height": picture.height,
        "seed": task.seed,
        "packets": sent.packets,
        "delivered": sent.packet_outcomes.get(PacketOutcome.DELIVERED, 0),
        "fec_failed": sent.packet_outcomes.get(PacketOutcome.FEC_FAILED, 0),
        "erased": sent.packet_outcomes.get(PacketOutcome.ERASED, 0),
        "expired": sent.packet_outcomes.get(PacketOutcome.EXPIRED, 0),
        "channel_uses": sent.channel_uses,
        "container_bytes": sent.container_bytes,
        "streams_sent": " ".join(sent.streams_sent),
        "streams_whole": " ".join(sent.streams_complete),
        "ending": received.ending,
        "pixels_sha256": received.digest,
        "models": point.models.models or None,
        "models_sha256": point.models.sha256 or None,
        **{name: received.measures.get(name) for name in MEASURES},
        WALL_COLUMN: wall_s,
    }


def hash_pixels(pixels: NDArray[np.uint8]) -> str:
    """Return a hash of the shape and the pixels of a picture."""
    return hashlib.sha256(repr(pixels.shape).encode() + np.ascontiguousarray(pixels).tobytes()).hexdigest()[:32]


def encode_webp(pixels: NDArray[np.uint8]) -> bytes:
    """Return ``pixels`` as a WebP file for a picture grid."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "WEBP", quality=WEBP_QUALITY)
    return out.getvalue()
