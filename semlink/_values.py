"""What the Python API returns: an encoded picture, what a link delivered, a decoded picture."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from shared.bitstream import Bitstream
from shared.errors import InputError, NothingReceivedError
from shared.files import read_file, write_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from semlink._inputs import PictureInput
    from semlink.pipeline.transfer import Carried, Decoded
    from shared.rpc.semlink.v1 import sender_pb2
    from shared.streams import StreamKind


@dataclass(frozen=True)
class Encoded:
    """A picture as the bytes of a ``.sem`` container.

    Attributes:
        bitstream: the picture's size and its streams.
        codec: name of the codec that made it; empty for a container from a file.
        order: kinds of stream in the order in which their packets leave, the most important first.
        notes: what was converted when the picture was read.
    """

    bitstream: Bitstream
    codec: str = ""
    order: tuple[StreamKind, ...] = ()
    notes: tuple[str, ...] = ()

    @cached_property
    def data(self) -> bytes:
        """The whole container."""
        return self.bitstream.pack()

    @property
    def bpp(self) -> float:
        """Bits of the container per pixel of the picture."""
        header = self.bitstream.header
        return 8 * len(self.data) / (header.width * header.height)

    @property
    def stream_bytes(self) -> dict[str, int]:
        """Payload bytes by kind of stream."""
        return {stream.kind.name: len(stream.payload) for stream in self.bitstream.streams}

    def save(self, path: str | Path) -> Path:
        """Write the container to ``path`` and return it.

        Raises:
            InputError: the file cannot be written.
        """
        write_file(path, self.data)
        return Path(path)


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet's way: ``outcome`` is delivered, fec_failed, erased or expired; times are simulated seconds.

    ``data`` are its bytes as they arrived, empty unless it was delivered.
    """

    index: int
    outcome: str
    departure_s: float
    arrival_s: float
    channel_uses: int
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class Received:
    """One picture as the receiver has it, and every packet that was sent.

    Attributes:
        bitstream: the streams that are complete; None if no packet with the picture's size arrived.
        packets: every packet that was sent, in the order in which its outcome was known.
        channel_uses: complex symbols on air, pilots and prefixes included.
        delay_s: simulated seconds from the first departure to the last arrival.
        es_n0_db: the channel's Es/N0 in dB, under fading its mean.
        mcs: row of TS 38.214 table 5.1.3.1-1.
        picture_index: the picture's number in its run.
    """

    bitstream: Bitstream | None
    packets: tuple[Packet, ...] = field(repr=False)
    channel_uses: int
    delay_s: float
    es_n0_db: float
    mcs: int
    picture_index: int

    @property
    def delivered(self) -> int:
        """Number of packets that arrived intact."""
        return sum(packet.outcome == "delivered" for packet in self.packets)

    @property
    def lost(self) -> int:
        """Number of packets that did not."""
        return len(self.packets) - self.delivered

    @property
    def streams(self) -> tuple[str, ...]:
        """Kinds of stream that are complete."""
        return tuple(stream.kind.name for stream in self.bitstream.streams) if self.bitstream else ()

    def require_bitstream(self) -> Bitstream:
        """Return the complete streams.

        Raises:
            NothingReceivedError: no packet with the picture's size arrived.
        """
        if self.bitstream is None:
            raise NothingReceivedError(
                f"{self.delivered} of {len(self.packets)} packets arrived, and none with the picture's size: "
                "there is nothing to decode; raise the SNR, lower the MCS or add repair packets"
            )
        return self.bitstream


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """A decoded picture.

    Attributes:
        png: the picture as a PNG file.
        trust_png: the trust map as a grey PNG file of the picture's size, 0 invented to 255 received; empty if the
            decoder makes none.
        trust: mean of the trust map as 0 to 1, None if there is none.
        invented: whether nothing of the picture but its size was received.
        decoder: name of the decoder.
        contents: what each received stream says, by kind of stream.
        reason: why the picture is invented; empty otherwise.
    """

    png: bytes = field(repr=False)
    trust_png: bytes = field(repr=False)
    trust: float | None
    invented: bool
    decoder: str
    contents: Mapping[str, str]
    reason: str = ""

    @cached_property
    def image(self) -> Image.Image:
        """The picture as a Pillow image, RGB or L."""
        return _open(self.png)

    @cached_property
    def pixels(self) -> NDArray[np.uint8]:
        """The picture as uint8 ``[H, W, 3]`` or, if grey, ``[H, W]``."""
        import numpy as np  # noqa: PLC0415

        return np.asarray(self.image)

    @cached_property
    def trust_map(self) -> Image.Image | None:
        """The trust map as a grey Pillow image of the picture's size; None if the decoder makes none."""
        return _open(self.trust_png) if self.trust_png else None

    @cached_property
    def trust_overlay(self) -> Image.Image | None:
        """The picture in grey, tinted by its trust map: yellow received, blue invented; None without a map."""
        from semlink.report.trust_map import overlay_trust_map  # noqa: PLC0415 - imports numpy

        return _open(overlay_trust_map(self.png, self.trust_png)) if self.trust_png else None

    def quality(self, reference: PictureInput, *, levels: str = "full") -> dict[str, float]:
        """Return PSNR in dB and MS-SSIM against ``reference``, the original picture, read with the same ``levels``.

        MS-SSIM is left out where it is not defined (a side below 161 pixels).

        Raises:
            InputError: the reference is not a picture, or has another size.
        """
        from receiver.metrics.pixel import quality  # noqa: PLC0415 - imports numpy
        from semlink._inputs import name_picture, picture_file  # noqa: PLC0415
        from shared.picture import load_picture  # noqa: PLC0415

        with name_picture(reference):
            measured = quality(self.pixels, load_picture(picture_file(reference, levels).data).pixels)
        values = {"psnr_db": measured.psnr_db, "ms_ssim": measured.ms_ssim}
        return {name: value for name, value in values.items() if value is not None}

    def save(self, path: str | Path) -> Path:
        """Write the picture to ``path`` as PNG and return it.

        Raises:
            InputError: the file cannot be written.
        """
        write_file(path, self.png)
        return Path(path)


StreamInput: TypeAlias = Received | Encoded | Bitstream | bytes | str | Path


@dataclass(frozen=True, eq=False)
class Transfer:
    """One picture over a link: encoded, received and decoded; ``picture`` is None where nothing can be decoded."""

    encoded: Encoded
    received: Received
    picture: Reconstruction | None


def container_bytes(stream: StreamInput) -> bytes:
    """Return ``stream`` as the bytes of a ``.sem`` container.

    Raises:
        InputError: it is no stream, or the file cannot be read.
        NothingReceivedError: nothing of the picture was received.
    """
    if isinstance(stream, Received):
        return stream.require_bitstream().pack()
    if isinstance(stream, Encoded):
        return stream.data
    if isinstance(stream, Bitstream):
        return stream.pack()
    if isinstance(stream, bytes):
        return stream
    if isinstance(stream, str | Path):
        return read_file(Path(stream))
    raise InputError(f"{type(stream).__name__} is no stream: give what encode or Link.send returns, bytes or a path")


def encoded_from(report: sender_pb2.SendReport, order: tuple[StreamKind, ...], notes: tuple[str, ...] = ()) -> Encoded:
    """Return the sender's report as a value of the API, after the ``notes`` on what happened before."""
    return Encoded(Bitstream.unpack(report.container), report.codec, order, (*notes, *report.notes))


def received_from(carried: Carried, picture_index: int) -> Received:
    """Return the arrivals of one picture, repaired and put together."""
    from receiver.reception import Reception  # noqa: PLC0415 - imports the receiver
    from shared.rpc.semlink.v1 import packet_pb2  # noqa: PLC0415

    reception, report = Reception(picture_index), carried.report
    for arrival in carried.arrivals:
        if arrival.HasField("packet"):
            reception.push(arrival.packet.data)
    packets = tuple(
        Packet(
            arrival.index,
            packet_pb2.Fate.Name(arrival.fate).removeprefix("FATE_").lower(),
            arrival.departure_s,
            arrival.arrival_s,
            arrival.channel_uses,
            arrival.packet.data,
        )
        for arrival in carried.arrivals
    )
    return Received(
        reception.bitstream(),
        packets,
        report.channel_uses,
        report.last_arrival_s,
        report.es_n0_db,
        report.mcs,
        picture_index,
    )


def reconstruction_from(decoded: Decoded) -> Reconstruction:
    """Return the receiver's picture and report as a value of the API.

    Raises:
        NothingReceivedError: the decoder makes no picture of these streams.
    """
    from semlink.report.trust_map import enlarge_trust_map  # noqa: PLC0415 - imports numpy
    from shared.streams import StreamKind  # noqa: PLC0415

    report, trust_png = decoded.report, decoded.trust_png
    if not report.rebuilt:
        raise NothingReceivedError(report.reason)
    return Reconstruction(
        png=decoded.png,
        trust_png=trust_png and enlarge_trust_map(trust_png, report.width, report.height),
        trust=report.trust if report.HasField("trust") else None,
        invented=report.invented,
        decoder=report.decoder,
        contents={StreamKind(one.kind).name: one.content for one in report.streams if one.content},
        reason=report.reason,
    )


def _open(data: bytes) -> Image.Image:
    from PIL import Image  # noqa: PLC0415

    with Image.open(io.BytesIO(data)) as image:
        return image.copy()
