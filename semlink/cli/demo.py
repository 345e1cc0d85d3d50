"""The demo: real photographs over the three services at three SNRs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

from semlink.cli.output import (
    decoder_text,
    markdown_table,
    number,
    print_json,
    print_table,
    progress_bar,
    streams_text,
    transfer_document,
)
from semlink.client.addresses import Addresses
from semlink.client.session import open_session
from semlink.client.settings import channel_settings
from semlink.report.picture_grid import Tile, picture_grid, trust_picture
from shared.errors import InputError, SetupError
from shared.files import write_file
from shared.rpc.semlink.v1 import packet_pb2, receiver_pb2, sender_pb2
from shared.rpc.wire import wire_message

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from semlink.client.session import Session
    from semlink.pipeline.transfer import Transfer

# Photographs that scikit-image ships: portrait, still life, fur, engineering, deep sky, and one grey picture.
PICTURES = ("astronaut.png", "coffee.png", "chelsea.png", "rocket.jpg", "hubble_deep_field.jpg", "camera.png")
ES_N0_DB = (3.0, -1.7, -3.0)
CODEC = "hci"
COLUMNS = (
    "picture",
    "size",
    "streams (bytes)",
    "container",
    "bpp",
    "Es/N0 dB",
    "arrived",
    "decoder",
    "PSNR dB",
    "MS-SSIM",
    "trust",
)


@dataclass(frozen=True, slots=True)
class _Pass:
    """All pictures at one SNR."""

    channel: str
    snr_db: float
    position: int
    seed: int


@dataclass(frozen=True, slots=True)
class _Run:
    """One picture at one SNR."""

    name: str
    es_n0_db: float
    transfer: Transfer


def run_demo(
    out: Path,
    *,
    seed: int,
    as_json: bool,
    device: str = "",
    channel: str = "awgn",
    snrs_db: Sequence[float] = ES_N0_DB,
    pictures: Sequence[str] = PICTURES,
    addresses: Addresses | None = None,
) -> None:
    """Send every picture over ``channel`` at every SNR; leave grid, table and the received pictures in ``out``.

    Services whose ``addresses`` are not given run in this process.

    Raises:
        InputError: ``out`` cannot be made.
        SetupError: scikit-image's pictures are not installed.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {out}: {error.strerror}; choose another with --out") from error
    originals = {name: _shipped_picture(name) for name in pictures}
    passes = [_Pass(channel, snr_db, position, seed) for position, snr_db in enumerate(snrs_db)]
    with progress_bar(len(pictures) * len(passes), quiet=as_json) as on_stage:
        runs = _run_passes(originals, passes, device, addresses or Addresses(), on_stage)
    for run in runs:
        if run.transfer.received.png:
            write_file(out / f"{run.name.split('.')[0]}_{run.es_n0_db:+.1f}dB.png", run.transfer.received.png)
    write_file(out / "grid.png", _grid(originals, runs))
    rows = [_row(run) for run in runs]
    write_file(out / "table.md", markdown_table(COLUMNS, rows).encode())
    if as_json:
        print_json([{"picture": run.name, **transfer_document(run.transfer)} for run in runs])
    else:
        mcs = runs[0].transfer.link.mcs
        print_table(f"channel {channel}, MCS {mcs}, codec {CODEC}, seed {seed}", COLUMNS, rows)
        print(f"Look at {out / 'grid.png'}")


def _run_passes(
    originals: dict[str, bytes],
    passes: Sequence[_Pass],
    device: str,
    addresses: Addresses,
    on_stage: Callable[[str, float], None],
) -> list[_Run]:
    """Return all runs, picture by picture. The SNRs go side by side, which keeps two cores busy."""
    with open_session(addresses, device=device) as session, ThreadPoolExecutor(len(passes)) as threads:
        running = [threads.submit(_run_pass, session, originals, one, len(passes), on_stage) for one in passes]
        return [run for of_picture in zip(*(one.result() for one in running), strict=True) for run in of_picture]


def _run_pass(
    session: Session,
    originals: dict[str, bytes],
    one: _Pass,
    passes: int,
    on_stage: Callable[[str, float], None],
) -> list[_Run]:
    """Send all pictures one after the other at one SNR, over which the sequence counts go on."""
    runs: list[_Run] = []
    counts: dict[int, int] = {}
    repair_count = 0
    for row, (name, data) in enumerate(originals.items()):
        index = row * passes + one.position
        send = wire_message(sender_pb2.SendSettings, codec=CODEC, picture_index=index, next_repair_count=repair_count)
        send.next_sequence_counts.update(counts)
        channel = channel_settings(one.channel, {"snr_db": one.snr_db}, run_seed=one.seed, picture_index=index)
        transfer = session.transfer(data, send, channel, receiver_pb2.ReceiveSettings(trust_map=True))
        counts, repair_count = dict(transfer.sent.next_sequence_counts), transfer.sent.next_repair_count
        runs.append(_Run(name, transfer.link.es_n0_db, transfer))
        on_stage("done", 1.0)
    return runs


def _shipped_picture(name: str) -> bytes:
    try:
        return (files("skimage.data") / name).read_bytes()
    except (OSError, ModuleNotFoundError) as error:
        raise SetupError(f"scikit-image's picture {name} is not installed: pip install scikit-image") from error


def _row(run: _Run) -> list[str]:
    sent, link, report = run.transfer.sent, run.transfer.link, run.transfer.received.report
    quality = report.quality if report.HasField("quality") else None
    return [
        run.name,
        f"{sent.width}x{sent.height}",
        streams_text(run.transfer),
        str(len(sent.container)),
        f"{sent.bpp:.4f}",
        f"{run.es_n0_db:+.1f}",
        f"{link.delivered}/{link.packets}",
        f"{report.decoder}{', invented' if report.invented else ''}" if report.rebuilt else "-",
        number(quality.psnr_db if quality else None, 2),
        number(quality.ms_ssim if quality and quality.HasField("ms_ssim") else None, 4),
        number(report.trust if report.HasField("trust") else None, 2),
    ]


def _grid(originals: dict[str, bytes], runs: list[_Run]) -> bytes:
    rows = []
    for name, data in originals.items():
        of_picture = [run for run in runs if run.name == name]
        sent = of_picture[0].transfer.sent
        first = Tile(data, (f"{name}, {sent.width}x{sent.height}", f"{len(data)} bytes as shipped"))
        rows.append([first, *(_tile(run) for run in of_picture), _trust_tile(of_picture[0])])
    titles = [
        "original",
        *(f"Es/N0 {run.es_n0_db:+.1f} dB" for run in of_picture),
        f"trust map at {of_picture[0].es_n0_db:+.1f} dB; blue: invented, yellow: received",
    ]
    return picture_grid(titles, rows)


def _tile(run: _Run) -> Tile:
    sent, report = run.transfer.sent, run.transfer.received.report
    fates = [arrival.fate for arrival in run.transfer.arrivals]
    lost = f"{len(fates) - fates.count(packet_pb2.FATE_DELIVERED)} of {len(fates)} packets lost"
    cost = f"{streams_text(run.transfer)}; container {len(sent.container)} B, {sent.bpp:.4f} bpp"
    if not report.rebuilt:
        return Tile(b"", (cost, lost), lost=f"not rebuilt\n{lost}")
    outcome = f"PSNR {report.quality.psnr_db:.2f} dB; {lost}"
    return Tile(run.transfer.received.png, (cost, outcome), banner=report.reason if report.invented else "")


def _trust_tile(run: _Run) -> Tile:
    received = run.transfer.received
    if not received.trust_png:
        return Tile(b"", (), lost="no trust map")
    picture = trust_picture(received.trust_png, received.report.width, received.report.height)
    return Tile(picture, (f"mean trust {received.report.trust:.2f}", decoder_text(received.report)))
