"""Page and plot of ``benchmarks.system.packet_loss``."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.common.rate_curves import bd_rate_percent, format_percent
from benchmarks.common.report import make_table
from shared.outcome import INVENTED, LOST, REBUILT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

BUDGET = 1000
LOSSES = (0.0, 0.1, 0.25, 0.5)
MADE_FOR = 0.25
"""The loss that ``resilient`` is made for where its rate is compared with that of ``hci``, and in rows of its own."""
PERCEPTUAL_SEEDS = 8
"""Perceptual distances take longest: they are computed for the first seeds only."""
DETAILED_SEEDS, DETAILED_LOSSES = 2, (0.0, MADE_FOR)
MOST_RATE_PERCENT, LEAST_GAIN_DB, MOST_LPIPS_PERCENT = 12, 3, -25
"""What is to be reached: more bytes without loss, PSNR and LPIPS-Alex at 25 % loss, all against the whole HCI."""
HEADINGS = {"psnr_db": "PSNR dB ↑", "lpips_alex": "LPIPS-Alex ↓", "dists": "DISTS ↓"}
DIGITS = {"psnr_db": 2}
NAMES = {
    "resilient": "`resilient`",
    "hci": "`hci`, whole",
    "hci + repair": "`hci` + repair",
    "hevc": "HEVC",
    "hevc + repair": "HEVC + repair",
}

COLOURS = {"resilient": "C0", "hci, whole": "C1", "hci + repair": "C2", "HEVC": "C3", "HEVC + repair": "C4"}
ENDS: dict[str, Callable[[str, float], bool]] = {
    "rebuilt": lambda ending, share: ending == REBUILT and share > 0,
    "from the base alone": lambda ending, share: ending == REBUILT and share == 0,
    "mean picture": lambda ending, _: ending == INVENTED,
    "lost": lambda ending, _: ending == LOST,
}
RATES: dict[str, Callable[[Point], float]] = {
    "in bytes of the container": lambda one: one.container_bytes,
    "in bytes on the wire": lambda one: one.wire_bytes,
}

METHOD = """
packets of 256 bytes at most, each lost with a probability of its own; which are lost is drawn by
`numpy.random.default_rng((seed, picture number))`. There is no physical layer: every packet is lost as a whole, and
channel uses are counted as bytes on the wire, headers, CRC and repair packets included.

- `resilient` has a container of 1,000 bytes at most, made for the loss that occurs or for 25 %. The whole `hci` has
  1,000 bytes too, in fewer packets.
- The other ways take as many bytes on the wire as `resilient` made for the same loss takes for the same picture. HEVC
  (x265, one intra picture) is a file, lost if one of its packets is. With repair, the stream has K packets of equal
  length and R RaptorQ packets, K + R at most 16, and any K packets suffice. The sender chooses K and R for each
  picture so that the expected PSNR is greatest: the probability that K of them arrive times the PSNR of `hci` at the
  bytes that remain (interpolated over its curve on this picture), else the PSNR of the mean colour. HEVC takes the same
  K and R. Both thus know the loss exactly, unless it is not the one that they are made for.
- A lost picture counts as the original's mean colour ([losses.md](../losses.md#what-is-left-of-a-picture)).
"""
ENDINGS = """
"Mean picture" is the mean of all training pictures. The decoder `hci` makes none: where nothing but the size or the
caption arrived, the picture is lost.
"""


@dataclass(frozen=True, slots=True)
class Point:
    """One picture, sent one way, its packets lost with probability ``loss``; lists have one value per seed.

    ``budget`` is that of the container, or of the file, in bytes. ``made_for`` is the loss that was prepared for.
    ``endings`` are the words of docs/losses.md, ``received`` the share of the HCI that arrived, and ``measures`` those
    of the picture, or of the original's mean colour if it was lost.
    """

    picture: int
    decoder: str
    way: str
    budget: int
    made_for: float
    loss: float
    container_bytes: int
    sha256: str
    source_packets: int
    repair_packets: int
    wire_bytes: int
    endings: list[str]
    received: list[float]
    measures: dict[str, list[float]]


@dataclass(frozen=True)
class Row:
    """A row of the tables and its points by loss."""

    name: str
    by_loss: dict[float, list[Point]]

    def mean(self, measure: str, loss: float) -> float:
        """Return the mean over pictures, each the mean over its seeds."""
        return float(np.mean([np.mean(point.measures[measure]) for point in self.by_loss[loss]]))

    def cell(self, measure: str, loss: float) -> str:
        """Return the mean as text, a dash where nothing was measured."""
        return f"{self.mean(measure, loss):.{DIGITS.get(measure, 3)}f}" if loss in self.by_loss else "-"

    def count(self, loss: float, fits: Callable[[str, float], bool]) -> int:
        """Return how many transmissions end so: ``fits`` takes the ending and the share of the HCI that arrived."""
        points = self.by_loss[loss]
        return sum(fits(*pair) for one in points for pair in zip(one.endings, one.received, strict=True))

    def mean_of(self, loss: float, value: Callable[[Point], float]) -> float:
        """Return the mean of a value over pictures."""
        return float(np.mean([value(point) for point in self.by_loss[loss]]))


def make_rows(points: Iterable[Point]) -> list[Row]:
    """Return the rows: every way made for the loss that occurs, then the same made for 25 %.

    Where no loss is expected, nothing is repaired: a row with repair then starts with the points without it.
    """
    points = list(points)
    losses = sorted({point.loss for point in points})
    rows = []
    for way, name in NAMES.items():
        found: dict[float, list[Point]] = defaultdict(list)
        fixed: dict[float, list[Point]] = defaultdict(list)
        for point in points:
            plain = point.loss == 0 and point.way == way.removesuffix(" + repair") and point.made_for == 0
            if plain or (point.way == way and (point.made_for == point.loss or way == "hci")):
                found[point.loss].append(point)
            if point.way == way and point.made_for == MADE_FOR:
                fixed[point.loss].append(point)
        made = way not in {"hci", "hevc"}
        if found:
            rows.append(Row(name + ", made for the loss that occurs" * made, dict(found)))
        if made and fixed and len(fixed) == len(losses):
            rows.append(Row(f"{name}, made for {MADE_FOR:.0%}", dict(fixed)))
    return rows


def make_report(points: Sequence[Point], *, pictures: int, seeds: int, detailed: int, processes: int) -> str:
    """Return the page."""
    del processes
    enlarged = [point for point in points if point.decoder == "hci"]
    rows = make_rows(point for point in enlarged if is_of_budget(point))
    in_detail = make_rows(point for point in points if point.decoder != "hci")
    command = f"python -m benchmarks.system.packet_loss --pictures {pictures} --seeds {seeds} --detailed {detailed}"
    return f"""# Lost packets

`{command}`: the first {pictures} of the 24 Kodak pictures,
{METHOD.strip()}

{make_targets_table(enlarged, rows, in_detail)}

![Quality over the share of lost packets](packet-loss.png)

## All pictures, decoder `hci`

{pictures} pictures, {seeds} seeds; LPIPS-Alex of the first {PERCEPTUAL_SEEDS} seeds.

{make_quality_table(rows, "psnr_db")}

{make_quality_table(rows, "lpips_alex")}

{make_endings_table(rows)}

{ENDINGS.strip()}

{make_bytes_table(rows)}

## Rate without loss

{make_rate_table(enlarged)}
{make_detailed_part(in_detail, detailed)}"""


def make_detailed_part(rows: Sequence[Row], detailed: int) -> str:
    """Return the tables of the pocket decoder; nothing if no picture was decoded by it."""
    if not detailed:
        return ""
    tables = "\n\n".join(make_quality_table(rows, measure) for measure in HEADINGS)
    return f"""
## Pocket decoder and DISTS

kodim01 to kodim{detailed:02}, {DETAILED_SEEDS} seeds, decoder `pocket`; HEVC has its own decoder.

{tables}
"""


def is_of_budget(point: Point) -> bool:
    """Whether a point is of 1,000 bytes or their equal on the wire, and not one of the curve of rates."""
    return point.budget == BUDGET or point.way not in {"hci", "resilient"}


def make_quality_table(rows: Sequence[Row], measure: str) -> str:
    """Return the means of a measure at every loss."""
    losses = list_losses(rows)
    header = [f"{HEADINGS[measure]} at a loss of", *(f"{loss:.0%}" for loss in losses)]
    return make_table(header, [[row.name, *(row.cell(measure, loss) for loss in losses)] for row in rows])


def list_losses(rows: Sequence[Row]) -> list[float]:
    return sorted({loss for row in rows for loss in row.by_loss})


def make_endings_table(rows: Sequence[Row]) -> str:
    """Return how the transmissions end."""
    losses = [loss for loss in list_losses(rows) if loss]

    def cell(row: Row, loss: float) -> str:
        counts = [row.count(loss, fits) for fits in ENDS.values()]
        return " / ".join(map(str, counts))

    header = [" / ".join(ENDS) + " at a loss of", *(f"{loss:.0%}" for loss in losses)]
    return make_table(header, [[row.name, *(cell(row, loss) for loss in losses)] for row in rows])


def make_bytes_table(rows: Sequence[Row]) -> str:
    """Return what is sent: bytes of the container or file, packets and their repair, bytes on the wire; means."""
    losses = list_losses(rows)

    def cell(row: Row, loss: float) -> str:
        if loss not in row.by_loss:
            return "-"
        source, repair = (
            row.mean_of(loss, lambda one: one.source_packets),
            row.mean_of(loss, lambda one: one.repair_packets),
        )
        size, wire = row.mean_of(loss, lambda one: one.container_bytes), row.mean_of(loss, lambda one: one.wire_bytes)
        return f"{size:.0f}, {source:.1f} + {repair:.1f}, {wire:.0f}"

    header = ["bytes, packets + repair, bytes on the wire, at a loss of", *(f"{loss:.0%}" for loss in losses)]
    return make_table(header, [[row.name, *(cell(row, loss) for loss in losses)] for row in rows])


def find_curve(points: Iterable[Point], way: str, rate: Callable[[Point], float]) -> list[tuple[float, float]]:
    """Return (mean rate, mean PSNR in dB) of ``hci``, or of ``resilient`` made for 25 %, without loss, by budget."""
    by_budget: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for one in points:
        if one.way == way and one.loss == 0 and one.made_for == (MADE_FOR if way == "resilient" else 0):
            by_budget[one.budget].append((rate(one), one.measures["psnr_db"][0]))
    means = [np.mean(by_budget[budget], axis=0) for budget in sorted(by_budget)]
    return [(float(mean[0]), float(mean[1])) for mean in means]


def find_bd_rate(
    points: Iterable[Point], rate: Callable[[Point], float] = lambda one: one.container_bytes
) -> float | None:
    """Return how many more bytes in percent ``resilient`` made for 25 % loss takes than ``hci`` at equal PSNR."""
    points = list(points)
    return bd_rate_percent(find_curve(points, "hci", rate), find_curve(points, "resilient", rate))


def make_rate_table(points: Sequence[Point]) -> str:
    """Return the two curves, and their Bjøntegaard difference in bytes of the container and on the wire."""
    budgets = sorted({point.budget for point in points if point.way == "hci"})
    rows = []
    for way in ("hci", "resilient"):
        curves = [find_curve(points, way, rate) for rate in RATES.values()]
        cells = [f"{size:.0f}, {wire:.0f}, {psnr:.2f}" for (size, psnr), (wire, _) in zip(*curves, strict=True)]
        rows.append([NAMES[way] + f", made for {MADE_FOR:.0%}" * (way == "resilient"), *cells])
    header = ["bytes, bytes on the wire, PSNR dB at a budget of", *map(str, budgets)]
    found = [f"{format_percent(find_bd_rate(points, rate))} {name}" for name, rate in RATES.items()]
    return make_table(header, rows) + f"\n\nBjøntegaard difference in rate (PSNR): {', '.join(found)}."


def make_targets_table(points: Sequence[Point], rows: Sequence[Row], in_detail: Sequence[Row]) -> str:
    """Return what was to be reached, and what was found."""
    rate = find_bd_rate(points)
    whole, ours = (find_row(rows, way) for way in ("hci", "resilient"))
    first, second = ({one.picture: one.sha256 for one in row.by_loss[0]} for row in (whole, ours))
    equal = sum(first[picture] == second[picture] for picture in first)
    lines = [
        (
            "no loss, made for 25 %: at most 12 % more bytes than `hci` (BD-rate, PSNR)",
            format_percent(rate),
            rate is not None and rate <= MOST_RATE_PERCENT,
        ),
        ("no loss, made for none: the bytes of `hci`", f"{equal} of {len(first)} equal", equal == len(first)),
        *make_loss_targets(rows, "hci"),
        *(make_loss_targets(in_detail, "pocket") if in_detail else ()),
    ]
    return make_table(
        ["`resilient`", "found", "reached"], [[what, found, "yes" if ok else "no"] for what, found, ok in lines]
    )


def make_loss_targets(rows: Sequence[Row], decoder: str) -> list[tuple[str, str, bool]]:
    """Return what was to be reached at 25 % loss, what was found, and whether it was reached."""
    whole, ours = (find_row(rows, way) for way in ("hci", "resilient"))
    gain_db = ours.mean("psnr_db", MADE_FOR) - whole.mean("psnr_db", MADE_FOR)
    percent = 100 * (ours.mean("lpips_alex", MADE_FOR) / whole.mean("lpips_alex", MADE_FOR) - 1)
    total, rebuilt = ours.count(MADE_FOR, lambda *_: True), ours.count(MADE_FOR, lambda ending, _: ending == REBUILT)
    loss = f"25 %, decoder `{decoder}`, {total} transmissions"
    return [
        (f"{loss}: every picture rebuilt", f"{rebuilt} of {total}", rebuilt == total),
        (f"{loss}: PSNR 3 dB above whole `hci`", f"{gain_db:+.2f} dB", gain_db >= LEAST_GAIN_DB),
        (f"{loss}: LPIPS-Alex 25 % below whole `hci`", f"{percent:+.1f} %", percent <= MOST_LPIPS_PERCENT),
    ]


def find_row(rows: Sequence[Row], way: str) -> Row:
    """Return the row of a way that is made for the loss that occurs."""
    return next(row for row in rows if row.name.startswith(NAMES[way]))


def draw(points: Sequence[Point], path: Path) -> None:
    """Draw PSNR and LPIPS-Alex over the share of lost packets."""
    import matplotlib as mpl  # noqa: PLC0415 - a second

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    rows = make_rows(point for point in points if point.decoder == "hci" and is_of_budget(point))
    figure, panels = plt.subplots(1, 2, figsize=(11, 5), layout="constrained")
    for axes, measure in zip(panels, ("psnr_db", "lpips_alex"), strict=True):
        for row in rows:
            losses = sorted(row.by_loss)
            way = row.name.split(", made")[0].replace("`", "")
            axes.plot(
                [100 * loss for loss in losses],
                [row.mean(measure, loss) for loss in losses],
                "--" if row.name.endswith("%") else "-",
                color=COLOURS[way],
                marker="o",
                label=row.name.replace("`", ""),
            )
        axes.set(xlabel="lost packets, %", ylabel=HEADINGS[measure])
        axes.grid(alpha=0.3)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    figure.savefig(path, dpi=100)
