"""``semlink demo``: photographs over the link at several SNRs."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from semlink.cli.options import MAX_SEED, ChannelName, Device, Json, Seed, ServiceOptions
from semlink.cli.output import print_json, print_line, print_table
from semlink.cli.output_files import make_folder
from semlink.cli.progress import progress_bar
from semlink.cli.report_text import describe_contents, describe_streams, make_transfer_document
from semlink.client.addresses import Addresses
from semlink.client.session import open_session
from semlink.report.text import format_number, markdown_table
from shared.errors import ConfigError, SetupError
from shared.files import remove_older, write_file
from shared.outcome import outcome_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from semlink.client.session import Session
    from semlink.pipeline.transfer import OnStage, Transfer

# Photographs that scikit-image ships: portrait, still life, and one grey picture.
PICTURES = ("astronaut.png", "coffee.png", "camera.png")
ES_N0_DB = (3.0, -1.7, -3.0)
CODEC = "resilient"
COLUMNS = (
    "picture",
    "size",
    "seed",
    "streams (bytes)",
    "container",
    "bpp",
    "Es/N0 dB",
    "arrived",
    "received",
    "outcome",
    "PSNR dB",
    "MS-SSIM",
    "trust",
)


def demo(
    out: Annotated[
        Path, typer.Option(help="Folder for the grid, the table and the received pictures.", metavar="FOLDER")
    ] = Path("out/demo"),
    channel: ChannelName = "awgn",
    snr: Annotated[
        str, typer.Option("--snr", help="Signal-to-noise ratios in dB, with commas between.", metavar="DB,...")
    ] = "3,-1.7,-3",
    seed: Seed = 0,
    device: Device = "",
    *,
    services: ServiceOptions,
    as_json: Json = False,
) -> None:
    """Send three photographs over the link at several SNRs, and write a picture grid and a table."""
    try:
        snrs_db = [float(one) for one in snr.split(",")]
    except ValueError:
        raise ConfigError(f"--snr {snr}: give numbers with commas between, such as 3,-1.7,-3") from None
    run_demo(
        out, seed=seed, device=device, as_json=as_json, channel=channel, snrs_db=snrs_db, addresses=services.addresses
    )


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
    """Send every picture over ``channel`` at every SNR; write grid, table and the received pictures to ``out``.

    Services without an address run in this process.

    Raises:
        InputError: ``out`` cannot be made.
        SetupError: scikit-image's pictures are not installed.
    """
    from semlink.cli.demo_grid import draw_grid

    make_folder(out, "--out")
    originals = {name: _read_shipped_picture(name) for name in pictures}
    with (
        open_session(addresses or Addresses(), device=device) as session,
        progress_bar(len(originals) * len(snrs_db), quiet=as_json) as on_stage,
    ):
        transfers = _send_all(session, originals, channel, snrs_db, seed, on_stage)

    _write_pictures(out, transfers, snrs_db)
    write_file(out / "grid.png", draw_grid(originals, transfers))
    runs = [
        (name, row_seed(seed, row), transfer)
        for row, (name, at_snrs) in enumerate(transfers.items())
        for transfer in at_snrs
    ]
    rows = [_make_row(*run) for run in runs]
    write_file(out / "table.md", markdown_table(COLUMNS, rows).encode())
    if as_json:
        print_json([{"picture": name, "seed": of_row, **make_transfer_document(one)} for name, of_row, one in runs])
    else:
        print_table(f"channel {channel}, MCS {runs[0][2].link.mcs}, codec {CODEC}", COLUMNS, rows)
        print_line(f"Look at {out / 'grid.png'}")


def row_seed(seed: int, row: int) -> int:
    """Return the seed of the picture in ``row``: ``semlink send --seed`` with it gives the row again."""
    return (seed + row) % (MAX_SEED + 1)


def _write_pictures(out: Path, transfers: Mapping[str, Sequence[Transfer]], snrs_db: Sequence[float]) -> None:
    """Write the received pictures, and remove those of an earlier demo."""
    pictures = {
        f"{Path(name).stem}_{snr_db:+}dB.png": transfer.received.png
        for name, at_snrs in transfers.items()
        for snr_db, transfer in zip(snrs_db, at_snrs, strict=True)
        if transfer.received.png
    }
    for name, png in pictures.items():
        write_file(out / name, png)
    stems = "|".join(re.escape(Path(name).stem) for name in PICTURES)
    remove_older(out, re.compile(rf"(?:{stems})_[+-][0-9.e+-]+dB\.png"), pictures)


def _send_all(
    session: Session,
    originals: Mapping[str, bytes],
    channel: str,
    snrs_db: Sequence[float],
    seed: int,
    on_stage: OnStage,
) -> dict[str, list[Transfer]]:
    """Return a transfer of each picture at each SNR, as ``semlink send`` makes it with the seed of the picture's row.

    A thread for each SNR keeps several cores busy.
    """
    send = partial(_send_at_snr, session, originals, channel, seed, on_stage)
    with ThreadPoolExecutor(len(snrs_db)) as threads:
        by_snr = list(threads.map(send, snrs_db))
    return {name: list(of_picture) for name, *of_picture in zip(originals, *by_snr, strict=True)}


def _send_at_snr(
    session: Session, originals: Mapping[str, bytes], channel: str, seed: int, on_stage: OnStage, snr_db: float
) -> list[Transfer]:
    """Send all pictures at one SNR, the first with ``seed``, each further one with the next."""
    from semlink.client.settings import channel_settings
    from shared.rpc.semlink.v1 import receiver_pb2, sender_pb2

    transfers: list[Transfer] = []
    for row, data in enumerate(originals.values()):
        over = channel_settings(channel, {"snr_db": snr_db}, run_seed=row_seed(seed, row))
        send, receive = sender_pb2.SendSettings(codec=CODEC), receiver_pb2.ReceiveSettings(trust_map=True)
        transfers.append(session.transfer(data, send, over, receive))
        on_stage("done", 1.0)
    return transfers


def _read_shipped_picture(name: str) -> bytes:
    try:
        return (files("skimage.data") / name).read_bytes()
    except (OSError, ModuleNotFoundError) as error:
        raise SetupError(f"scikit-image's picture {name} is not installed: pip install scikit-image") from error


def _make_row(name: str, seed: int, transfer: Transfer) -> list[str]:
    sent, link, report = transfer.sent, transfer.link, transfer.received.report
    quality = report.quality if report.HasField("quality") else None
    return [
        name,
        f"{sent.width}x{sent.height}",
        str(seed),
        describe_streams(sent),
        str(len(sent.container)),
        f"{sent.bpp:.4f}",
        f"{link.es_n0_db:+.1f}",
        f"{link.delivered}/{link.packets}",
        describe_contents(report) or "-",
        outcome_of(report),
        format_number(quality.psnr_db if quality else None, 2),
        format_number(quality.ms_ssim if quality and quality.HasField("ms_ssim") else None, 4),
        format_number(report.trust if report.HasField("trust") else None, 2),
    ]
