"""The sheet of the demo: for each picture a row of each system, and the chart beneath."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Final

from PIL import Image

from semlink.demo.chart import draw_chart, summarise_runs
from semlink.demo.runs import CLASSICAL_NAME, SEMLINK_NAME
from semlink.report.picture_grid import BACKGROUND, Tile, draw_picture_grid
from semlink.report.trust_map import enlarge_trust_map, overlay_trust_map
from shared.outcome import LOST, outcome_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from semlink.demo.story import Shown, Story

TILE_WIDTH: Final = 256
FONT_SIZE: Final = 17


def draw_sheet(story: Story, channel: str) -> bytes:
    """Return the sheet as a PNG file."""
    snrs_db = list(dict.fromkeys(one.snr_db for one in story.shown))
    rows, titles = [], []
    for name, data in story.originals.items():
        shown = [one for one in story.shown if one.picture == name]
        stem, seed = Path(name).stem, shown[0].seed
        titles.append(f"{stem}, seed {seed}: {CLASSICAL_NAME} in as many channel uses as Semlink")
        titles.append(f"{stem}, seed {seed}: {SEMLINK_NAME}")
        rows.append([Tile(data, ("original",)), *map(_classical_tile, shown)])
        rows.append([_trust_tile(shown, data), *map(_semlink_tile, shown)])
    columns = ["", *(f"Es/N0 {snr_db:+g} dB" for snr_db in snrs_db)]
    grid = draw_picture_grid(columns, rows, TILE_WIDTH, row_titles=titles, font_size=FONT_SIZE)
    with Image.open(io.BytesIO(grid)) as image:
        width = image.width
    chart = draw_chart(summarise_runs(story.runs), channel, len(story.originals), story.seeds, width)
    return _stack([grid, chart])


def trust_overlay(shown: Shown) -> bytes:
    """Return Semlink's picture in grey, tinted by its trust map, as a PNG file; empty without a picture."""
    received = shown.semlink.received
    if not received.trust_png:
        return b""
    report = received.report
    return overlay_trust_map(received.png, enlarge_trust_map(received.trust_png, report.width, report.height))


def _classical_tile(shown: Shown) -> Tile:
    run = shown.classical.run
    packets = f"{run.arrived} of {run.packets} packets"
    if not shown.classical.png:
        return Tile(b"", (packets,), lost=LOST)
    return Tile(shown.classical.png, (f"PSNR {run.psnr_db:.1f} dB", packets))


def _semlink_tile(shown: Shown) -> Tile:
    link, report = shown.semlink.link, shown.semlink.received.report
    packets = f"{link.delivered} of {link.packets} packets"
    if outcome_of(report) == LOST:
        return Tile(b"", (packets,), lost=LOST)
    banner = "invented: nothing decodes" if report.invented else ""
    return Tile(shown.semlink.received.png, (f"PSNR {report.quality.psnr_db:.1f} dB", packets), banner=banner)


def _trust_tile(shown: Sequence[Shown], original: bytes) -> Tile:
    """Return the trust overlay at the highest SNR at which packets are missing, but not all; else at the first SNR."""
    partly = [one for one in shown if 0 < one.semlink.link.delivered < one.semlink.link.packets]
    chosen = max(partly, key=lambda one: one.snr_db, default=shown[0])
    overlay = trust_overlay(chosen)
    if not overlay:
        return Tile(original, ("original; nothing arrived",))
    return Tile(overlay, (f"trust at {chosen.snr_db:+g} dB", "yellow: received, blue: invented"))


def _stack(pngs: Sequence[bytes]) -> bytes:
    """Return PNG files of one width, one below the other, as one PNG file."""
    images = [Image.open(io.BytesIO(png)).convert("RGB") for png in pngs]
    sheet = Image.new("RGB", (max(image.width for image in images), sum(image.height for image in images)), BACKGROUND)
    top = 0
    for image in images:
        sheet.paste(image, (0, top))
        top += image.height
    out = io.BytesIO()
    sheet.save(out, "PNG", optimize=True)
    return out.getvalue()
