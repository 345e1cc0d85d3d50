"""``semlink plot`` and ``semlink report``: figures as files, and one HTML page that holds everything."""

from __future__ import annotations

import base64
import importlib.util
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from receiver.metrics.names import MEASURES
from semlink.cli.output import number, print_json
from semlink.report.plot import figures_of
from semlink.report.sweep_grids import grids_of
from semlink.report.sweep_progress import rate_text, text_of
from semlink.sweep.store import read_rows, read_runs
from semlink.sweep.summary import summarise_points
from shared.errors import InputError, SetupError
from shared.files import write_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from semlink.report.plot import Figure
    from semlink.report.sweep_grids import Grid
    from semlink.sweep.summary import PointSummary

TEMPLATE: Final = "report.html.j2"
WORDS: Final = ("channel", "codec", "rate")
COUNTS: Final = ("SNR dB", "MCS", "seeds", "pictures", "packets", "packets lost", "BLER", "uses", "bytes", "bpp")
ALWAYS: Final = ("channel", "codec", "SNR dB")


def plot(folders: Sequence[Path], out: Path, *, as_json: bool) -> None:
    """Write the figures and picture grids of the rows in ``folders`` into the folder ``out``.

    Raises:
        InputError: there are no rows, or ``out`` cannot be written.
        SetupError: matplotlib or pyarrow is not installed.
        DataError: a file of rows is damaged.
    """
    rows = _rows_in(folders)
    files: dict[str, bytes] = {}
    for figure in figures_of(summarise_points(rows)):
        files |= {f"{figure.name}.png": figure.png, f"{figure.name}.svg": figure.svg}
    files |= {f"{grid.name}.jpg": grid.jpeg for grid in grids_of(folders, rows)}
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {out}: {error.strerror}; choose another with --out") from error
    for name, data in files.items():
        write_file(out / name, data)
    if as_json:
        print_json({"files": [str(out / name) for name in files]})
    else:
        print("\n".join(str(out / name) for name in files))


def report(folders: Sequence[Path], out: Path, *, title: str, as_json: bool) -> None:
    """Write one HTML page on the rows in ``folders``: figures, grids, table, and how to repeat it.

    Raises:
        InputError, SetupError, DataError: as ``plot``, and SetupError where jinja2 is not installed.
    """
    rows = _rows_in(folders)
    points = summarise_points(rows)
    page = page_of(title, points, figures_of(points), grids_of(folders, rows), read_runs(folders))
    write_file(out, page.encode())
    if as_json:
        print_json({"report": str(out), "rows": len(rows), "points": len(points)})
    else:
        print(f"{out}: {len(points)} points of {len(rows)} rows")


def page_of(
    title: str,
    points: Sequence[PointSummary],
    figures: Sequence[Figure],
    grids: Sequence[Grid],
    runs: Sequence[dict[str, Any]],
) -> str:
    """Return the page, with every picture within it.

    Raises:
        SetupError: jinja2 is not installed.
    """
    if importlib.util.find_spec("jinja2") is None:
        raise SetupError("jinja2 is not installed: pip install 'semlink[sweep]'")
    import jinja2  # noqa: PLC0415 - optional

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = environment.from_string((resources.files("semlink.report") / TEMPLATE).read_text("utf-8"))
    columns, cells = table_of(points)
    common, columns, cells = without_common(columns, cells)
    return template.render(
        title=title,
        summary=_summary(points),
        figures=[(figure, _url("svg+xml", figure.svg)) for figure in figures],
        grids=[(grid, _url("jpeg", grid.jpeg)) for grid in grids],
        words=WORDS,
        common=common,
        columns=columns,
        points=cells,
        runs=runs,
    )


def table_of(points: Sequence[PointSummary]) -> tuple[list[str], list[list[str]]]:
    """Return headings and rows of the table of points."""
    measures = [name for name in MEASURES if any(name in point.measures for point in points)]
    endings = sorted({ending for point in points for ending in point.endings})
    cells = [
        [
            point.channel,
            point.codec,
            rate_text(point.rate_kind, point.rate),
            f"{point.snr_db:g}",
            "/".join(map(str, point.mcs)) or "-",
            str(len(point.seeds)),
            str(len(point.pictures)),
            str(point.packets),
            str(point.failed),
            text_of(point.bler, 3),
            number(point.channel_uses, 0),
            number(point.container_bytes, 0),
            number(point.bpp, 4),
            *(str(point.endings.get(ending, 0)) for ending in endings),
            *(text_of(point.measures.get(name), MEASURES[name].decimals) for name in measures),
        ]
        for point in points
    ]
    told = [f"pictures {ending}" for ending in endings]
    return [*WORDS, *COUNTS, *told, *(MEASURES[name].name for name in measures)], cells


def without_common(columns: list[str], cells: list[list[str]]) -> tuple[str, list[str], list[list[str]]]:
    """Return a table without the columns that say the same everywhere, and before it what they say, as one text."""
    same = {
        place
        for place, column in enumerate(columns)
        if column not in ALWAYS and len(cells) > 1 and len({row[place] for row in cells}) == 1
    }
    common = ", ".join(f"{columns[place]} {cells[0][place]}" for place in sorted(same))
    kept = [place for place in range(len(columns)) if place not in same]
    return common, [columns[place] for place in kept], [[row[place] for place in kept] for row in cells]


def _summary(points: Sequence[PointSummary]) -> str:
    codecs, channels = ({getattr(one, name) for one in points} for name in ("codec", "channel"))
    pictures = {name for one in points for name in one.pictures}
    rows = sum(one.rows for one in points)
    seeds = sorted({seed for one in points for seed in one.seeds})
    return (
        f"{rows} pictures sent: {len(codecs)} codecs over {', '.join(sorted(channels))}, {len(pictures)} pictures, "
        f"{'seeds' if len(seeds) > 1 else 'seed'} {', '.join(map(str, seeds))}. "
        "A picture that is lost is measured as its mean colour."
    )


def _rows_in(folders: Sequence[Path]) -> list[dict[str, Any]]:
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"there is no folder {folder}; give one that semlink sweep wrote")
    rows = read_rows(folders)
    if not rows:
        raise InputError(f"there are no rows in {', '.join(map(str, folders))}; give a folder that semlink sweep wrote")
    return rows


def _url(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
