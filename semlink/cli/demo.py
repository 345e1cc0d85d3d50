"""``semlink demo``: photographs over a fading link, by Semlink and by a classical codec."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from semlink.cli.options import ChannelName, Device, Json, Seed, ServiceOptions
from semlink.cli.output import print_json, print_line, print_table
from semlink.cli.output_files import make_folder
from semlink.cli.progress import progress_bar
from semlink.cli.report_text import describe_contents, describe_streams, make_transfer_document
from semlink.client.addresses import Addresses
from semlink.client.session import open_session
from semlink.report.text import format_number, markdown_table
from shared.errors import ConfigError
from shared.files import remove_older, write_file
from shared.outcome import outcome_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from semlink.demo.chart import Point
    from semlink.demo.runs import Run
    from semlink.demo.story import Shown, Story

DEFAULT_CHANNEL = "rayleigh-car"
ES_N0_DB = (18.0, 13.0, 8.0, 3.0, -2.0)
SEEDS = 16
SHOWN_COLUMNS = (
    "picture",
    "size",
    "seed",
    "Es/N0 dB",
    "streams (bytes)",
    "container",
    "bpp",
    "arrived",
    "received",
    "outcome",
    "PSNR dB",
    "MS-SSIM",
    "trust",
)
POINT_COLUMNS = ("system", "Es/N0 dB", "pictures", "lost", "mean PSNR dB", "standard deviation dB")
RUN_COLUMNS = ("picture", "Es/N0 dB", "seed", "system", "packets arrived", "outcome", "PSNR dB")


def demo(
    out: Annotated[
        Path, typer.Option(help="Folder for the grid, the table and the pictures.", metavar="FOLDER")
    ] = Path("out/demo"),
    channel: ChannelName = DEFAULT_CHANNEL,
    snr: Annotated[
        str, typer.Option("--snr", help="Signal-to-noise ratios in dB, with commas between.", metavar="DB,...")
    ] = "18,13,8,3,-2",
    seed: Seed = 0,
    device: Device = "",
    *,
    services: ServiceOptions,
    as_json: Json = False,
) -> None:
    """Send three photographs at several SNRs over a fading channel, by Semlink and by a classical codec.

    Writes a grid of pictures with a chart beneath, and a table. The classical file gets the channel uses of Semlink's
    packets.
    """
    try:
        snrs_db = [float(one) for one in snr.split(",")]
    except ValueError:
        raise ConfigError(f"--snr {snr}: give numbers with commas between, such as 18,13,8,3,-2") from None
    if len(set(snrs_db)) < len(snrs_db):
        raise ConfigError(f"--snr {snr}: one number is there twice; leave it out")
    run_demo(
        out, seed=seed, device=device, as_json=as_json, channel=channel, snrs_db=snrs_db, addresses=services.addresses
    )


def run_demo(
    out: Path,
    *,
    seed: int,
    as_json: bool,
    device: str = "",
    channel: str = DEFAULT_CHANNEL,
    snrs_db: Sequence[float] = ES_N0_DB,
    seeds: int = SEEDS,
    pictures: Sequence[str] = (),
    addresses: Addresses | None = None,
) -> None:
    """Send every picture over ``channel`` at every SNR with ``seeds`` seeds; write grid, table and pictures to ``out``.

    ``pictures`` are files that scikit-image ships; empty: the demo's own. Services without an address run in this
    process.

    Raises:
        InputError: ``out`` cannot be made.
        SetupError: scikit-image's pictures or matplotlib are not installed.
    """
    from semlink.client.settings import channel_settings
    from semlink.demo.pictures import PICTURES, read_pictures

    make_folder(out, "--out")
    originals = read_pictures(pictures or PICTURES)
    with (
        open_session(addresses or Addresses(), device=device) as session,
        progress_bar(len(originals) * len(snrs_db), quiet=as_json) as on_stage,
    ):
        for snr_db in snrs_db:  # a wrong channel is refused before torch is imported
            session.describe(channel_settings(channel, {"snr_db": snr_db}))
        from semlink.demo.sheet import draw_sheet
        from semlink.demo.story import run_story

        story = run_story(session, originals, channel, snrs_db, seed=seed, seeds=seeds, on_stage=on_stage)

    _write_pictures(out, story)
    write_file(out / "grid.png", draw_sheet(story, channel))
    _report(out, story, channel, as_json=as_json)


def _report(out: Path, story: Story, channel: str, *, as_json: bool) -> None:
    """Write the tables to ``out``, and print them or a JSON document."""
    from semlink.demo.chart import summarise_runs

    points = list(map(_point_row, summarise_runs(story.runs)))
    shown = list(map(_shown_row, story.shown))
    tables = [
        ("Semlink's pictures of the grid", SHOWN_COLUMNS, shown),
        ("The chart", POINT_COLUMNS, points),
        ("Every run of the chart", RUN_COLUMNS, list(map(_run_row, story.runs))),
    ]
    text = "\n".join(f"## {title}\n\n{markdown_table(columns, rows)}" for title, columns, rows in tables)
    write_file(out / "table.md", text.encode())
    if as_json:
        pictures = [
            {"picture": one.picture, "seed": one.seed, **make_transfer_document(one.semlink)} for one in story.shown
        ]
        print_json({"pictures": pictures, "runs": [asdict(run) for run in story.runs]})
        return
    for title, columns, rows in tables[:2]:
        print_table(f"{title}, channel {channel}", columns, rows)
    print_line(f"Look at {out / 'grid.png'}; {out / 'table.md'} lists every run")


def _write_pictures(out: Path, story: Story) -> None:
    """Write originals and received pictures, and remove those of an earlier demo."""
    pictures = dict(story.originals)
    for one in story.shown:
        name = f"{Path(one.picture).stem}_{one.snr_db:+}dB"
        files = {f"{name}.png": one.semlink.received.png, f"{name}_hevc.png": one.classical.png}
        pictures |= {file: png for file, png in files.items() if png}
    for name, png in pictures.items():
        write_file(out / name, png)
    stems = "|".join(re.escape(Path(name).stem) for name in story.originals)
    remove_older(out, re.compile(rf"(?:{stems})_[+-][0-9.e+-]+dB(?:_hevc)?\.png"), pictures)


def _shown_row(shown: Shown) -> list[str]:
    sent, link, report = shown.semlink.sent, shown.semlink.link, shown.semlink.received.report
    quality = report.quality if report.HasField("quality") else None
    return [
        shown.picture,
        f"{sent.width}x{sent.height}",
        str(shown.seed),
        f"{link.es_n0_db:+.1f}",
        describe_streams(sent),
        str(len(sent.container)),
        f"{sent.bpp:.4f}",
        f"{link.delivered}/{link.packets}",
        describe_contents(report) or "-",
        outcome_of(report),
        format_number(quality.psnr_db if quality else None, 2),
        format_number(quality.ms_ssim if quality and quality.HasField("ms_ssim") else None, 4),
        format_number(report.trust if report.HasField("trust") else None, 2),
    ]


def _point_row(point: Point) -> list[str]:
    numbers = f"{point.psnr_db:.2f}", f"{point.spread_db:.2f}"
    return [point.system, f"{point.snr_db:+.1f}", str(point.runs), str(point.lost), *numbers]


def _run_row(run: Run) -> list[str]:
    return [
        run.picture,
        f"{run.snr_db:+.1f}",
        str(run.seed),
        run.system,
        f"{run.arrived}/{run.packets}",
        run.outcome,
        f"{run.psnr_db:.2f}",
    ]
