"""Pictures whose packets are lost independently: slices, a whole HCI, repair and HEVC with equal bytes on the wire.

The Kodak pictures, 1,000 bytes, packets of 256 bytes at most. ``resilient`` is made for the loss that occurs. Against
it: the whole HCI (highly compressed image) of codec ``hci`` in 1,000 bytes; ``hci`` and HEVC with RaptorQ repair
packets, and HEVC without, in as many bytes of packets as ``resilient`` takes. Decoders: ``hci`` for all pictures; the
pocket decoder for the first ``--detailed``, with two seeds, at losses of 0 and 25 %.

The pictures that are done are kept in out/packet-loss, so that a run that was stopped goes on. Writes
docs/results/packet-loss.json, .md and .png, in about an hour of two cores:

    OMP_NUM_THREADS=1 nice python -m benchmarks.system.packet_loss --processes 2
"""

from __future__ import annotations

import functools
import hashlib
import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from benchmarks.common.erasures import choose_split, draw_arrivals, largest_payload, receive
from benchmarks.common.packet_loss_report import (
    BUDGET,
    DETAILED_LOSSES,
    DETAILED_SEEDS,
    LOSSES,
    MADE_FOR,
    PERCEPTUAL_SEEDS,
    Point,
    draw,
    make_report,
)
from benchmarks.common.paths import KODAK, SCRATCH
from benchmarks.common.pictures import load_folder_pictures
from benchmarks.common.points import measure_or_draw
from receiver.decoder_registry import load_decoder
from receiver.decoders.base import options_for
from receiver.metrics.pixel import psnr_db
from receiver.metrics.reporter import Measures
from receiver.rebuild import rebuild
from semlink.baselines.registry import load_baseline
from semlink.pipeline.separate_coding import mean_colour
from semlink.sweep.version import hash_code
from sender.encode import encode_picture
from sender.expected_loss import ExpectedLoss
from sender.extractors.extractors import Extractors
from sender.packets import Packets, make_packets
from shared.bitstream import Bitstream, PictureHeader
from shared.codecs.registry import get_codec
from shared.files import write_file
from shared.hci.stream import decode_hci, upsample
from shared.outcome import INVENTED, LOST, REBUILT
from shared.picture import Picture
from shared.repair.encoder import RepairEncoder
from shared.streams import Stream, StreamKind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmarks.common.erasures import Split

RATE_BUDGETS = (500, 1000, 2000, 4000)
CURVE_BUDGETS = (125, 250, *RATE_BUDGETS)
"""Budgets between which the PSNR of ``hci`` is interpolated, to choose how many packets are repair."""


@dataclass(frozen=True)
class Sent:
    """What is sent of a picture; ``is_file`` if the stream is a file of HEVC."""

    way: str
    budget: int
    made_for: float
    container: bytes
    packets: Packets
    is_file: bool = False

    @property
    def wire_bytes(self) -> int:
        """Bytes of all packets."""
        return sum(map(len, self.packets.all))


@dataclass
class Sender:
    """Sends one picture in every way. Equal requests are encoded once."""

    pixels: NDArray[np.uint8]
    _extractors: Extractors = field(default_factory=Extractors)
    _made: dict[tuple[str, int, float], Bitstream] = field(default_factory=dict)
    _files: dict[int, bytes] = field(default_factory=dict)

    def send(self, codec: str, budget: int = BUDGET, made_for: float = 0.0) -> Sent:
        """Return the packets of one of the project's codecs, without repair."""
        bitstream = self._encode(codec, budget, made_for)
        packets = make_packets(bitstream, order=get_codec(codec).streams)
        return Sent(codec, budget, made_for, bitstream.pack(), packets)

    def psnr_point(self, budget: int) -> tuple[int, float]:
        """Return the bytes of the HCI at this budget, and the PSNR in dB of the enlarged picture."""
        (stream,) = self._encode("hci", budget, 0).streams
        height, width = self.pixels.shape[:2]
        small = decode_hci(stream.payload, width, height).pixels
        return len(stream.payload), psnr_db(upsample(small, width, height), self.pixels)

    def send_hci_repaired(self, split: Split, loss: float) -> Sent:
        """Return the packets of ``hci`` and their repair, as ``split`` says."""
        budget = split.payload_bytes + len(self._wrap(b"").pack())
        bitstream = self._encode("hci", budget, 0)
        return Sent("hci + repair", budget, loss, bitstream.pack(), _repair(bitstream, split))

    def send_file(self, payload_bytes: int, loss: float, split: Split | None = None) -> Sent:
        """Return the packets of a file of HEVC of ``payload_bytes`` at most, and their repair if ``split`` is given."""
        if payload_bytes not in self._files:
            self._files[payload_bytes] = load_baseline("hevc").encode(self.pixels, payload_bytes)
        data = self._files[payload_bytes]
        bitstream = self._wrap(data)
        packets = make_packets(bitstream) if split is None else _repair(bitstream, split)
        return Sent("hevc" if split is None else "hevc + repair", payload_bytes, loss, data, packets, is_file=True)

    def _encode(self, codec: str, budget: int, made_for: float) -> Bitstream:
        key = codec, budget, made_for
        if key not in self._made:
            picture, loss = Picture(self.pixels), ExpectedLoss(made_for)
            self._made[key] = encode_picture(picture, get_codec(codec), self._extractors, budget, loss=loss)
        return self._made[key]

    def _wrap(self, data: bytes) -> Bitstream:
        height, width = self.pixels.shape[:2]
        return Bitstream(PictureHeader(width, height), (Stream(StreamKind.HCI, data),))


def _repair(bitstream: Bitstream, split: Split) -> Packets:
    source = make_packets(bitstream, packet_bytes=split.packet_bytes).source
    return Packets(source, tuple(RepairEncoder().repair_packets(source, split.repair)))


Found = tuple[str, float, dict[str, float]]
"""How a picture ended, the share of its HCI that arrived, and its measures."""


class Receiver:
    """Decodes and measures one picture with one decoder. Equal receptions are decoded once."""

    def __init__(self, pixels: NDArray[np.uint8], decoder: str, perceptual: tuple[str, ...]) -> None:
        self._pixels, self._decoder = pixels, load_decoder(decoder)
        self._measures = Measures(perceptual)
        self._measures.require_all()
        self._reference = self._measures.reference(pixels)
        self._found: dict[tuple[bool, bytes], Found] = {}

    def measure(self, sent: Sent, picture: int, loss: float, seeds: int) -> list[Found]:
        """Return how each seed ends, without loss that of one; ``picture`` is a number that the draws are made from."""
        packets, found = sent.packets.all, []
        for seed in range(seeds if loss else 1):
            received = receive(packets, draw_arrivals(seed, picture, len(packets), loss))
            found.append(self._measure(received, is_file=sent.is_file, perceptual=seed < PERCEPTUAL_SEEDS))
        return found

    def _measure(self, received: Bitstream | None, *, is_file: bool, perceptual: bool) -> Found:
        key = is_file, received.pack() if received is not None else b""
        known = self._found.get(key)
        if known is None or (perceptual and len(known[2]) == 1):
            ending, share, decoded = self._decode(received, is_file=is_file)
            pixels = mean_colour(self._pixels) if decoded is None else decoded
            found: dict[str, float | None] = {"psnr_db": psnr_db(pixels, self._pixels)}
            if perceptual:
                found |= self._measures.compare(pixels, self._reference)
            self._found[key] = ending, share, {name: float(value or 0) for name, value in found.items()}
        return self._found[key]

    def _decode(self, received: Bitstream | None, *, is_file: bool) -> tuple[str, float, NDArray[np.uint8] | None]:
        height, width = self._pixels.shape[:2]
        if received is None:
            return LOST, 0.0, None
        if is_file:
            file = received.stream(StreamKind.HCI)
            return (
                (REBUILT, 1.0, load_baseline("hevc").decode(file.payload, width, height)) if file else (LOST, 0.0, None)
            )
        rebuilt = rebuild(received, self._decoder, options_for(self._decoder))
        if rebuilt.pixels is None:
            return LOST, 0.0, None
        mask = rebuilt.guidance.received
        share = float(rebuilt.guidance.hci is not None) if mask is None else float(mask.mean())
        return INVENTED if rebuilt.invented else REBUILT, share, rebuilt.pixels


def send_all(sender: Sender, losses: tuple[float, ...]) -> list[tuple[Sent, tuple[float, ...]]]:
    """Return everything that is sent in 1,000 bytes or their equal on the wire, each with the losses that it meets."""
    curve = [sender.psnr_point(budget) for budget in CURVE_BUDGETS]
    lost_psnr_db = psnr_db(mean_colour(sender.pixels), sender.pixels)
    sent = [(sender.send("hci"), losses)]
    for made_for in losses:
        met = losses if made_for == MADE_FOR else (made_for,)
        ours = sender.send("resilient", made_for=made_for)
        sent.append((ours, met))
        sent.append((sender.send_file(largest_payload(ours.wire_bytes), made_for), (made_for,)))
        if made_for:
            split = choose_split(ours.wire_bytes, made_for, curve, lost_psnr_db)
            sent.append((sender.send_hci_repaired(split, made_for), met))
            sent.append((sender.send_file(split.payload_bytes, made_for, split), met))
    return sent


def measure_picture(number: int, decoder: str, seeds: int) -> list[Point]:
    """Return all points of the Kodak picture ``number``, from 1, decoded by ``decoder``."""
    import torch  # noqa: PLC0415 - seconds

    torch.set_num_threads(1)
    pixels = load_folder_pictures(KODAK)[number - 1]
    detailed = decoder != "hci"
    sender = Sender(pixels)
    receiver = Receiver(pixels, decoder, ("lpips_alex", "dists") if detailed else ("lpips_alex",))
    sent = send_all(sender, DETAILED_LOSSES if detailed else LOSSES)
    if not detailed:
        others = [budget for budget in RATE_BUDGETS if budget != BUDGET]
        sent += [(sender.send("hci", budget), (0.0,)) for budget in others]
        sent += [(sender.send("resilient", budget, MADE_FOR), (0.0,)) for budget in others]
    seeds = DETAILED_SEEDS if detailed else seeds
    return [
        make_point(one, number, decoder, loss, receiver.measure(one, number, loss, seeds))
        for one, losses in sent
        for loss in losses
    ]


def make_point(sent: Sent, number: int, decoder: str, loss: float, found: list[Found]) -> Point:
    return Point(
        picture=number,
        decoder=decoder,
        way=sent.way,
        budget=sent.budget,
        made_for=sent.made_for,
        loss=loss,
        container_bytes=len(sent.container),
        sha256=hashlib.sha256(sent.container).hexdigest()[:16],
        source_packets=len(sent.packets.source),
        repair_packets=len(sent.packets.repair),
        wire_bytes=sent.wire_bytes,
        endings=[ending for ending, _, _ in found],
        received=[round(share, 3) for _, share, _ in found],
        measures={
            name: [round(one[name], 4) for _, _, one in (found if name == "psnr_db" else found[:PERCEPTUAL_SEEDS])]
            for name in found[0][2]
        },
    )


def measure_once(task: tuple[int, str], seeds: int) -> list[Point]:
    """Return the points of a picture, from out/packet-loss if the same code has measured them before."""
    number, decoder = task
    file = SCRATCH / "packet-loss" / hash_code() / f"{number:02}-{decoder}-{seeds}.json"
    if not file.exists():
        points = measure_picture(number, decoder, seeds)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_file(file, json.dumps([asdict(one) for one in points]).encode())
    return [Point(**one) for one in json.loads(file.read_bytes())]


def measure_points(pictures: int, seeds: int, detailed: int, processes: int) -> list[Point]:
    tasks = [(number + 1, "hci") for number in range(pictures)] + [(number + 1, "pocket") for number in range(detailed)]
    points = []
    with ProcessPoolExecutor(processes) as pool:
        for task, found in zip(tasks, pool.map(functools.partial(measure_once, seeds=seeds), tasks), strict=True):
            points += found
            print("measured", *task, flush=True)
    return points


def main() -> None:
    measure_or_draw(
        __doc__,
        "packet-loss.json",
        {"pictures": 24, "seeds": 16, "detailed": 4, "processes": 2},
        point=Point,
        measure=measure_points,
        report=make_report,
        draw=draw,
    )


if __name__ == "__main__":
    main()
