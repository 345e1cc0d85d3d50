"""The report of a sweep: figures and picture grids as files, or one HTML page that holds everything."""

from __future__ import annotations

import base64
import importlib.util
import re
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from receiver.metrics.names import MEASURES
from semlink.report.style import format_measure
from semlink.report.sweep_grids import draw_grids
from semlink.report.sweep_plot import draw_figures
from semlink.report.text import format_interval, format_number, format_rate, remove_common_columns
from semlink.sweep.store import read_rows, read_runs
from semlink.sweep.summary import summarise_points
from shared.errors import InputError, SetupError
from shared.files import remove_older, write_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from semlink.report.sweep_grids import Grid
    from semlink.report.sweep_plot import Figure
    from semlink.sweep.summary import PointSummary

TEMPLATE: Final = "sweep_report.html.j2"
WORDS: Final = ("channel", "codec", "rate")
"""Columns of the table that hold words."""
COUNTS: Final = ("SNR dB", "MCS", "seeds", "pictures", "packets", "packets lost", "BLER", "uses", "bytes", "bpp")
ALWAYS: Final = ("channel", "codec", "SNR dB")
"""Columns of the table that stay even if all points have the same value."""
FIGURE_NAMES: Final = re.compile(
    rf"(?:(?:quality|rate-distortion)-(?:{'|'.join(MEASURES)})|bler|streams)\.(?:png|svg)|grid-.+-.+\.jpg"
)


def write_figures(folders: Sequence[Path], out: Path) -> list[Path]:
    """Draw the rows in ``folders``. Write figures and picture grids to the folder ``out`` and return their paths.

    Raises:
        InputError: there are no rows, or ``out`` cannot be written.
        SetupError: matplotlib or pyarrow is not installed.
        DataError: a file of rows is damaged.
    """
    rows = _read_rows(folders)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {out}: {error.strerror}; choose another with --out") from error
    files: dict[str, bytes] = {}
    for figure in draw_figures(summarise_points(rows)):
        files |= {f"{figure.name}.png": figure.png, f"{figure.name}.svg": figure.svg}
    files |= {f"{grid.name}.jpg": grid.jpeg for grid in draw_grids(folders, rows)}
    for name, data in files.items():
        write_file(out / name, data)
    remove_older(out, FIGURE_NAMES, files)
    return [out / name for name in files]


def write_report(folders: Sequence[Path], out: Path, *, title: str) -> list[PointSummary]:
    """Write one HTML page about the rows in ``folders`` to the file ``out``. Return the points that it shows.

    Raises:
        InputError, SetupError, DataError: as ``write_figures``; SetupError also if jinja2 is not installed.
    """
    rows = _read_rows(folders)
    points = summarise_points(rows)
    page = render_page(title, points, draw_figures(points), draw_grids(folders, rows), read_runs(folders))
    write_file(out, page.encode(errors="backslashreplace"))
    return points


def render_page(
    title: str,
    points: Sequence[PointSummary],
    figures: Sequence[Figure],
    grids: Sequence[Grid],
    runs: Sequence[dict[str, Any]],
) -> str:
    """Return the HTML page with all pictures inside it.

    Raises:
        SetupError: jinja2 is not installed.
    """
    if importlib.util.find_spec("jinja2") is None:
        raise SetupError("jinja2 is not installed: pip install jinja2 matplotlib pyarrow")
    import jinja2  # noqa: PLC0415 - optional

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = environment.from_string((resources.files("semlink.report") / TEMPLATE).read_text("utf-8"))
    columns, cells = point_table(points)
    common, columns, cells = remove_common_columns(columns, cells, ALWAYS)
    return template.render(
        title=title,
        summary=_describe(points),
        figures=[(figure, _data_url("svg+xml", figure.svg)) for figure in figures],
        grids=[(grid, _data_url("jpeg", grid.jpeg)) for grid in grids],
        words=WORDS,
        common=common,
        columns=columns,
        points=cells,
        runs=runs,
    )


def point_table(points: Sequence[PointSummary]) -> tuple[list[str], list[list[str]]]:
    """Return headings and rows of the table of points."""
    measures = [name for name in MEASURES if any(name in point.measures for point in points)]
    endings = sorted({ending for point in points for ending in point.endings})
    cells = [
        [
            point.channel,
            point.codec,
            format_rate(point.rate_kind, point.rate),
            f"{point.snr_db:g}",
            "/".join(map(str, point.mcs)) or "-",
            str(len(point.seeds)),
            str(len(point.pictures)),
            str(point.packets),
            str(point.failed),
            format_interval(point.bler, 3),
            format_number(point.channel_uses, 0),
            format_number(point.container_bytes, 0),
            format_number(point.bpp, 4),
            *(str(point.endings.get(ending, 0)) for ending in endings),
            *(format_measure(point, name) for name in measures),
        ]
        for point in points
    ]
    headings = [*(f"pictures {ending}" for ending in endings), *(MEASURES[name].heading for name in measures)]
    return [*WORDS, *COUNTS, *headings], cells


def _describe(points: Sequence[PointSummary]) -> str:
    """Return what the sweep sent, in two sentences."""
    channels = sorted({one.channel for one in points})
    seeds = sorted({seed for one in points for seed in one.seeds})
    counts = [
        _count(len({one.codec for one in points}), "codec"),
        _count(len({name for one in points for name in one.pictures}), "picture"),
        f"{'seeds' if len(seeds) > 1 else 'seed'} {', '.join(map(str, seeds))}",
        f"{'channels' if len(channels) > 1 else 'channel'} {', '.join(channels)}",
    ]
    sent = _count(sum(one.rows for one in points), "transmission")
    return f"{sent}: {'; '.join(counts)}. The quality of a lost picture is that of its mean colour."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _read_rows(folders: Sequence[Path]) -> list[dict[str, Any]]:
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"there is no folder {folder}; give one that semlink sweep wrote")
    rows = read_rows(folders)
    if not rows:
        raise InputError(f"there are no rows in {', '.join(map(str, folders))}; give a folder that semlink sweep wrote")
    return rows


def _data_url(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
