"""Runs the demo: encodes, simulates the links of the chart, and decodes the pictures that are shown."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain
from multiprocessing import get_context
from typing import TYPE_CHECKING, Final

from semlink.demo.runs import ClassicalRun, Run, Sent, encode_at, run_classical, run_semlink
from semlink.pipeline.transfer import Transfer
from shared.rpc.semlink.v1 import receiver_pb2, sender_pb2

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from semlink.client.session import Session
    from semlink.pipeline.transfer import OnStage

SEED_LIMIT: Final = 2**64
THREADS: Final = 2
"""Python does little of the work in parallel: more threads would wait for each other."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What both systems make of a picture at one SNR with its first seed."""

    picture: str
    snr_db: float
    seed: int
    semlink: Transfer
    classical: ClassicalRun


@dataclass(frozen=True, slots=True)
class Story:
    """All that the demo found: the runs of the chart, and the shown pictures by picture and SNR in the given order."""

    originals: Mapping[str, bytes]
    seeds: int
    runs: tuple[Run, ...]
    shown: tuple[Shown, ...]


@dataclass(frozen=True, slots=True)
class _Cell:
    """A picture at one SNR with its first seed: what is sent, which packets arrive, and the classical picture."""

    sent: Sent
    seed: int
    arrived: frozenset[int]
    classical: ClassicalRun

    @property
    def reception(self) -> tuple[str, bytes, frozenset[int]]:
        """All that the received picture depends on."""
        return self.sent.picture, self.sent.container, self.arrived


def picture_seeds(seed: int, place: int, seeds: int) -> list[int]:
    """Return the seeds of the picture at ``place``: each picture has its own, and so fades of its own."""
    return [(seed + place * seeds + number) % SEED_LIMIT for number in range(seeds)]


def run_story(
    session: Session,
    originals: Mapping[str, bytes],
    channel: str,
    snrs_db: Sequence[float],
    *,
    seed: int,
    seeds: int,
    on_stage: OnStage,
) -> Story:
    """Send each of ``originals`` over ``channel`` at each SNR with ``seeds`` seeds, by both systems.

    The first seed's pictures are shown: Semlink's are decoded by the default decoder.

    Raises:
        LinkError: the channel is refused, or weights are missing.
    """
    with ThreadPoolExecutor(THREADS) as threads, _open_process() as process:
        on_stage("encode", 0.0)
        wanted = [(name, data, channel, snr) for name, data in originals.items() for snr in snrs_db]
        sent = list(threads.map(lambda one: encode_at(session, *one), wanted))
        by_picture = [sent[start : start + len(snrs_db)] for start in range(0, len(sent), len(snrs_db))]
        own = [picture_seeds(seed, place, seeds) for place in range(len(by_picture))]
        on_stage("chart", 0.0)
        pending = process.map(run_classical, [[one.as_file() for one in ones] for ones in by_picture], own)
        semlink = list(map(partial(run_semlink, session), by_picture, own))
        classical = list(pending)
        cells = [
            _Cell(one, numbers[0], streams[first][1], files[first])
            for ones, numbers, streams, files in zip(by_picture, own, semlink, classical, strict=True)
            for first, one in zip(range(0, len(streams), seeds), ones, strict=True)
        ]
        transfers = _decode_cells(session, cells, threads, on_stage)
    runs = chain.from_iterable(
        (file.run, run)
        for files, streams in zip(classical, semlink, strict=True)
        for file, (run, _) in zip(files, streams, strict=True)
    )
    shown = [
        Shown(cell.sent.picture, cell.sent.snr_db, cell.seed, transfer, cell.classical)
        for cell, transfer in zip(cells, transfers, strict=True)
    ]
    return Story(originals, seeds, tuple(runs), tuple(shown))


def _open_process() -> ProcessPoolExecutor:
    """Return a process of its own: two threads of Python would share one core for most of the chart."""
    return ProcessPoolExecutor(1, get_context("spawn"))


def _decode_cells(
    session: Session, cells: Sequence[_Cell], threads: ThreadPoolExecutor, on_stage: OnStage
) -> list[Transfer]:
    """Return the transfer of each cell. Of cells that receive the same, one is decoded."""
    first = {cell.reception: cell for cell in reversed(cells)}
    decoded = dict(
        zip(first, threads.map(lambda cell: _transfer(session, cell, on_stage), first.values()), strict=True)
    )
    transfers = []
    for cell in cells:
        transfer = decoded[cell.reception]
        if first[cell.reception] is not cell:
            transfer = _repeat(session, cell, transfer)
            on_stage("done", 1.0)
        transfers.append(transfer)
    return transfers


def _transfer(session: Session, cell: _Cell, on_stage: OnStage) -> Transfer:
    """Send a cell's picture as ``semlink send`` does, without encoding it again."""
    send = sender_pb2.SendSettings()
    send.CopyFrom(cell.sent.settings)
    send.container = cell.sent.container
    receive = receiver_pb2.ReceiveSettings(trust_map=True)
    transfer = session.transfer(cell.sent.data, send, cell.sent.channel_with(cell.seed), receive)
    on_stage("done", 1.0)
    return transfer


def _repeat(session: Session, cell: _Cell, transfer: Transfer) -> Transfer:
    """Return the transfer of a cell that receives what ``transfer`` did, over another channel."""
    carried = session.transmit(cell.sent.packets, cell.sent.channel_with(cell.seed))
    for arrival in carried.arrivals:
        arrival.ClearField("packet")
    return Transfer(transfer.sent, carried.report, transfer.received, carried.arrivals)
