"""Picture grids of a sweep: the first kept picture over each channel, a row per codec, a column per SNR."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from PIL import Image

from receiver.metrics.names import MEASURES
from semlink.report.picture_grid import Tile, draw_picture_grid
from semlink.report.sweep_progress import rate_text
from semlink.sweep.row import INVENTED, REBUILT
from semlink.sweep.store import picture_path
from shared.validation import shorten

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MAX_COLUMNS: Final = 9
TILE_WIDTH: Final = 150
LINE_CHARS: Final = 21
"""Letters that fit beneath a tile."""
JPEG_QUALITY: Final = 82


@dataclass(frozen=True, slots=True)
class Grid:
    """A picture grid: file name without ending, what it shows, and the JPEG file."""

    name: str
    caption: str
    jpeg: bytes


def grids_of(folders: Sequence[Path], rows: Sequence[dict[str, Any]]) -> list[Grid]:
    """Return a grid for each channel and picture that was kept."""
    first = min((row["seed"] for row in rows), default=0)
    kept = [row for row in rows if row["seed"] == first and _file(folders, row["picture_sha256"])]
    grids = []
    for channel, picture in dict.fromkeys((row["channel"], row["picture"]) for row in kept):
        chosen = [row for row in kept if (row["channel"], row["picture"]) == (channel, picture)]
        name = f"grid-{channel}-{picture}".replace("/", "_")
        grids.append(Grid(name, f"{picture} over {channel}, seed {first}", _grid(folders, chosen)))
    return grids


def _grid(folders: Sequence[Path], rows: Sequence[dict[str, Any]]) -> bytes:
    snrs = sorted({_snr_of(row) for row in rows})
    while len(snrs) > MAX_COLUMNS:
        snrs = snrs[::2]
    several = len({(row["rate_kind"], row["rate"]) for row in rows}) > 1
    lines: dict[str, dict[float, dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda one: (one["codec"], one["rate"])):
        name = row["codec"] + (f", {rate_text(row['rate_kind'], row['rate'])}" if several else "")
        lines.setdefault(name, {})[_snr_of(row)] = row
    original = _file(folders, rows[0]["picture_sha256"])
    sheet = [
        [Tile(original, _two_lines(name)), *(_tile(folders, line.get(snr)) for snr in snrs)]
        for name, line in lines.items()
    ]
    titles = ["original", *(f"{snr:+g} dB" for snr in snrs)]
    with Image.open(io.BytesIO(draw_picture_grid(titles, sheet, TILE_WIDTH))) as image:
        out = io.BytesIO()
        image.convert("RGB").save(out, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return out.getvalue()


def _two_lines(name: str) -> tuple[str, str]:
    """Return a codec's name as two lines that fit beneath a tile."""
    head, plus, tail = name.partition("+")
    return shorten(head, LINE_CHARS), shorten(plus + tail, LINE_CHARS)


def _tile(folders: Sequence[Path], row: dict[str, Any] | None) -> Tile:
    if row is None:
        return Tile(b"", ("",), lost="no row")
    measure = next((name for name in MEASURES if row.get(name) is not None), None)
    value = f"{row[measure]:.2f} {MEASURES[measure].name.split()[-1]}" if measure else ""
    told = f"{row['delivered']}/{row['packets']} packets" if row["packets"] else "ideal code"
    file = _file(folders, row["pixels_sha256"])
    if row["ending"] not in (REBUILT, INVENTED) or not file:
        return Tile(b"", (value, told), lost=row["ending"] if file else "not kept")
    return Tile(file, (value, told), banner="invented" if row["ending"] == INVENTED else "")


def _snr_of(row: dict[str, Any]) -> float:
    return float(row["es_n0_db"] if row["snr_db"] is None else row["snr_db"])


def _file(folders: Sequence[Path], digest: str) -> bytes:
    found = next((path for folder in folders if (path := picture_path(folder, digest)).is_file()), None)
    return found.read_bytes() if found else b""
