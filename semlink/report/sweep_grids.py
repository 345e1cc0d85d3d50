"""Picture grids of a sweep: one per kept picture and channel, with a row per codec and a column per SNR."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from PIL import Image

from receiver.metrics.names import MEASURES
from semlink.report.picture_grid import Tile, draw_picture_grid
from semlink.report.text import format_rate
from semlink.sweep.store import picture_path
from shared.outcome import INVENTED, REBUILT
from shared.printable import short_name
from shared.validation import shorten

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MAX_COLUMNS: Final = 9
TILE_WIDTH: Final = 150
LINE_CHARS: Final = 21
"""Characters that fit in a line below a tile."""
CHANNEL_BYTES: Final = 60
PICTURE_BYTES: Final = 160
"""Most bytes of the names of channel and picture in the name of a file; a file system takes 255 in all."""
JPEG_QUALITY: Final = 82


@dataclass(frozen=True, slots=True)
class Grid:
    """A picture grid: name of its file without ending, caption, and the JPEG file."""

    name: str
    caption: str
    jpeg: bytes


def draw_grids(folders: Sequence[Path], rows: Sequence[dict[str, Any]]) -> list[Grid]:
    """Return a grid for each channel and each kept picture, with the pictures of the first seed."""
    first_seed = min((row["seed"] for row in rows), default=0)
    kept = [row for row in rows if row["seed"] == first_seed and _read_picture(folders, row["picture_sha256"])]
    grids = []
    for channel, picture in dict.fromkeys((row["channel"], row["picture"]) for row in kept):
        chosen = [row for row in kept if (row["channel"], row["picture"]) == (channel, picture)]
        name = f"grid-{short_name(channel, CHANNEL_BYTES)}-{short_name(picture, PICTURE_BYTES)}"
        grids.append(Grid(name, f"{picture} over {channel}, seed {first_seed}", _draw_grid(folders, chosen)))
    return grids


def _draw_grid(folders: Sequence[Path], rows: Sequence[dict[str, Any]]) -> bytes:
    """Return the JPEG file of a grid of ``rows``, all of one picture and one channel."""
    snrs = sorted({_snr_db(row) for row in rows})
    while len(snrs) > MAX_COLUMNS:
        snrs = snrs[::2]
    several_rates = len({(row["rate_kind"], row["rate"]) for row in rows}) > 1
    lines: dict[str, dict[float, dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda one: (one["codec"], one["rate"])):
        name = row["codec"] + (f", {format_rate(row['rate_kind'], row['rate'])}" if several_rates else "")
        lines.setdefault(name, {})[_snr_db(row)] = row
    original = _read_picture(folders, rows[0]["picture_sha256"])
    sheet = [
        [Tile(original, _split_name(name)), *(_make_tile(folders, line.get(snr)) for snr in snrs)]
        for name, line in lines.items()
    ]
    titles = ["original", *(f"SNR {snr:g} dB" for snr in snrs)]
    with Image.open(io.BytesIO(draw_picture_grid(titles, sheet, TILE_WIDTH))) as image:
        out = io.BytesIO()
        image.convert("RGB").save(out, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return out.getvalue()


def _split_name(name: str) -> tuple[str, str]:
    """Return a codec's name as two lines that fit below a tile: source, then channel code."""
    head, plus, tail = name.partition("+")
    return shorten(head, LINE_CHARS), shorten(plus + tail, LINE_CHARS)


def _make_tile(folders: Sequence[Path], row: dict[str, Any] | None) -> Tile:
    """Return the received picture of ``row`` with its first measure and its packets."""
    if row is None:
        return Tile(b"", ("",), lost="no row")
    measure = next((name for name in MEASURES if row.get(name) is not None), None)
    packets = f"{row['delivered']} of {row['packets']} packets" if row["packets"] else "ideal code"
    caption = (_format_measure(measure, row[measure]) if measure else "", packets)
    file = _read_picture(folders, row["pixels_sha256"])
    if row["ending"] not in (REBUILT, INVENTED) or not file:
        return Tile(b"", caption, lost=row["ending"] if file else "not kept")
    return Tile(file, caption, banner="invented" if row["ending"] == INVENTED else "")


def _format_measure(name: str, value: float) -> str:
    info = MEASURES[name]
    return f"{info.title} {value:.{info.decimals}f} {info.unit}".strip()


def _snr_db(row: dict[str, Any]) -> float:
    return float(row["es_n0_db"] if row["snr_db"] is None else row["snr_db"])


def _read_picture(folders: Sequence[Path], digest: str) -> bytes:
    """Return the file of the kept picture with this hash, empty if there is none."""
    path = next((path for folder in folders if (path := picture_path(folder, digest)).is_file()), None)
    return path.read_bytes() if path else b""
