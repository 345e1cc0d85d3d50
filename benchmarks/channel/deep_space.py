"""Light time and Es/N0 from Mars over two years, with link budget, windows and solar conjunctions.

Writes docs/results/deep-space.md and docs/results/deep-space.png.

    python -m benchmarks.channel.deep_space
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from benchmarks.common.arguments import make_parser
from benchmarks.common.report import write_report
from channel.deep_space.bodies import BODIES, STATIONS, Lander, find_body
from channel.deep_space.geometry import LineOfSight, elevation_deg, find_line_of_sight
from channel.deep_space.link_budget import (
    Background,
    LinkBudget,
    LinkBudgetConfig,
    compute_link_budget,
    markdown_table,
)
from channel.deep_space.scintillation import Scintillation, predict_scintillation
from channel.deep_space.windows import (
    Window,
    find_next_window,
    find_windows,
    lander_sees_earth,
    negate,
    path_clear_of_sun,
    station_sees_body,
)

if TYPE_CHECKING:
    from pathlib import Path

START = datetime(2027, 1, 1, tzinfo=UTC)
DAYS = 730
ELEVATION_DEG = 30.0
EXAMPLE = datetime(2027, 2, 19, tzinfo=UTC)
LANDER = Lander(-4.59, 137.44)  # Bradbury Landing in Gale crater
LANDER_TEXT = "4.59° S, 137.44° E"


@dataclass(frozen=True)
class Day:
    """Mars on one day: its path to Earth, the Es/N0 of the link budget and the scintillation."""

    path: LineOfSight
    es_n0_db: float
    fading: Scintillation


def main() -> None:
    options = make_parser(__doc__, "deep-space.md").parse_args()
    config = LinkBudgetConfig()
    days = [compute_day(config, START + timedelta(days=day)) for day in range(DAYS)]
    conjunctions = find_windows(
        "mars", START, START + timedelta(days=DAYS), [negate(path_clear_of_sun(2.0))], step_s=6 * 3600
    )
    draw(days, conjunctions, options.out.with_suffix(".png"))
    write_report(report(config, days, conjunctions), options.out)


def compute_day(config: LinkBudgetConfig, date: datetime) -> Day:
    path = find_line_of_sight("mars", date)
    budget = compute_budget(config, path)
    angle_deg = path.sun_angle_deg if path.behind_sun else 180.0
    return Day(path, budget.es_n0_db, predict_scintillation(angle_deg, config.frequency_hz))


def compute_budget(config: LinkBudgetConfig, path: LineOfSight) -> LinkBudget:
    sky = Background(find_body("mars"), path.range_km, path.receiver_sun_angle_deg, path.receiver_sun_km)
    return compute_link_budget(config, range_km=path.range_km, elevation_deg=ELEVATION_DEG, background=sky)


def report(config: LinkBudgetConfig, days: list[Day], conjunctions: list[Window]) -> str:
    nearest = min(days, key=lambda day: day.path.range_km)
    farthest = max(days, key=lambda day: day.path.range_km)
    closest_to_sun = min(days, key=lambda day: day.path.sun_angle_deg)
    return "\n".join(
        [
            "# A deep-space link in numbers",
            "",
            "`python -m benchmarks.channel.deep_space`; the model is described in [deep-space.md](../deep-space.md).",
            "",
            "![Light time and Es/N0 from Mars](deep-space.png)",
            "",
            f"## Mars, {START:%Y-%m-%d} and {DAYS} days on",
            "",
            f"The default X-band link at {ELEVATION_DEG:g}° elevation and {config.symbol_rate_hz / 1e6:g} Msymbol/s.",
            "",
            *mars_table([*days[::61], nearest, farthest, closest_to_sun]),
            "",
            "Within 2° of the Sun, seen from Earth: "
            + "; ".join(f"{one.start:%Y-%m-%d %H:%M} to {one.end:%Y-%m-%d %H:%M}" for one in conjunctions)
            + ".",
            "",
            "## Solar scintillation",
            "",
            *scintillation_table(),
            "",
            f"## Link budget on {nearest.path.departure:%Y-%m-%d}, when Mars is nearest",
            "",
            markdown_table(compute_budget(config, nearest.path)),
            "",
            "## Noise of the Sun",
            "",
            "The default antenna, the quiet Sun, no body in the beam.",
            "",
            *sun_table(config),
            "",
            "## Bands, with the same dishes",
            "",
            "Mars at 2·10^8 km, 3 m and 34 m, clear sky of the default at every band; the Sun is left out.",
            "",
            *band_table(),
            "",
            f"## The bodies on {EXAMPLE:%Y-%m-%d}",
            "",
            *body_table(),
            "",
            f"## Next windows after {EXAMPLE:%Y-%m-%d %H:%M}",
            "",
            *window_table(),
            "",
        ]
    )


def mars_table(days: list[Day]) -> list[str]:
    rows = [
        f"| {day.path.departure:%Y-%m-%d} | {day.path.range_km / 1e6:.1f} | {day.path.light_time_s:.1f} "
        f"| {day.path.sun_angle_deg:.1f} | {day.es_n0_db:.2f} | {day.fading.index:.2f} ({day.fading.regime}) |"
        for day in sorted(days, key=lambda day: day.path.departure)
    ]
    return [
        "| leaves | range, 10^6 km | light time, s | Sun angle, ° | Es/N0, dB | scintillation index |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
        *rows,
    ]


def scintillation_table() -> list[str]:
    rows = []
    for angle_deg in (0.5, 0.7, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0):
        bands = [predict_scintillation(angle_deg, frequency_hz) for frequency_hz in (8.42e9, 32.0e9)]
        rows.append(
            f"| {angle_deg} | " + " | ".join(f"{x.index:.3f} | {x.k_db:.1f} | {x.regime}" for x in bands) + " |"
        )
    return [
        "| Sun angle, ° | X-band m | K, dB | | Ka-band m | K, dB | |",
        "| ---: | ---: | ---: | --- | ---: | ---: | --- |",
        *rows,
    ]


def sun_table(config: LinkBudgetConfig) -> list[str]:
    rows = []
    for angle_deg in (0.3, 0.5, 0.8, 1.1, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0):
        lit, dark = (
            compute_link_budget(
                config, range_km=3.5e8, elevation_deg=ELEVATION_DEG, background=Background(sun_angle_deg=angle)
            )
            for angle in (angle_deg, None)
        )
        lost_db = dark.es_n0_db - lit.es_n0_db
        rows.append(
            f"| {angle_deg:g} | {lit['Sun noise']:.2f} | {lit['system noise temperature']:.1f} | {lost_db:.2f} |"
        )
    return ["| Sun angle, ° | Sun noise, K | system noise, K | lost, dB |", "| ---: | ---: | ---: | ---: |", *rows]


def band_table() -> list[str]:
    rows = []
    for name, frequency_hz in (("S", 2.295e9), ("2 S", 4.59e9), ("X", 8.42e9), ("Ka", 32.05e9)):
        config = LinkBudgetConfig(frequency_hz=frequency_hz)
        budget = compute_link_budget(config, range_km=2e8, elevation_deg=ELEVATION_DEG)
        gains = " | ".join(f"{budget[f'{end} antenna gain']:.2f}" for end in ("transmit", "receive"))
        beam_deg = config.receive_antenna.beamwidth_deg
        rows.append(
            f"| {name} | {frequency_hz / 1e9:g} | {gains} | {beam_deg:.4f} | {budget['free-space loss']:.2f} "
            f"| {budget.es_n0_db:.2f} |"
        )
    return [
        "| band | GHz | 3 m, dBi | 34 m, dBi | beam of 34 m, ° | free-space loss, dB | Es/N0, dB |",
        "| --- |" + " ---: |" * 6,
        *rows,
    ]


def body_table() -> list[str]:
    rows = []
    for body in BODIES:
        path = find_line_of_sight(body, EXAMPLE)
        elevations = " | ".join(f"{elevation_deg(body, station, EXAMPLE):.1f}" for station in STATIONS)
        rows.append(
            f"| {body} | {path.range_km:,.0f} | {path.light_time_s:.3f} | {path.arrival:%Y-%m-%dT%H:%M:%SZ} "
            f"| {path.sun_angle_deg:.2f} | {elevations} |"
        )
    return [
        "| from | range, km | light time, s | arrives | Sun angle, ° | "
        + " | ".join(f"{s}, °" for s in STATIONS)
        + " |",
        "| --- |" + " ---: |" * 2 + " --- |" + " ---: |" * (1 + len(STATIONS)),
        *rows,
    ]


def window_table() -> list[str]:
    conditions = {f"{station} above 10°": [station_sees_body([station])] for station in STATIONS}
    conditions["any station, Earth 10° over a lander at " + LANDER_TEXT] = [
        station_sees_body(list(STATIONS)),
        lander_sees_earth(LANDER),
        path_clear_of_sun(),
    ]
    rows = []
    for name, wanted in conditions.items():
        found = find_next_window("mars", EXAMPLE, wanted)
        edges = f"{found.start:%Y-%m-%d %H:%M:%S} | {found.end:%Y-%m-%d %H:%M:%S}"
        rows.append(f"| {name} | {edges} | {found.duration_s / 3600:.2f} |")
    return ["| from Mars to | leaves from | until | hours |", "| --- | --- | --- | ---: |", *rows]


def draw(days: list[Day], conjunctions: list[Window], path: Path) -> None:
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    dates = [day.path.departure for day in days]
    figure, axes = plt.subplots(3, 1, figsize=(8, 8), sharex=True, layout="constrained")
    axes[0].plot(dates, [day.path.light_time_s / 60 for day in days])
    axes[0].set(ylabel="one-way light time [min]", ylim=(0, None), title="Mars to Earth, X-band, 34 m antenna, 30°")
    axes[1].plot(dates, [day.es_n0_db for day in days], color="tab:green")
    axes[1].set(ylabel="Es/N0 at 1 Msymbol/s [dB]")
    axes[2].plot(dates, [day.path.sun_angle_deg for day in days], color="tab:orange")
    axes[2].set(ylabel="Sun-Earth-Probe angle [°]", ylim=(0, 180), yticks=range(0, 181, 45))
    for axis in axes:
        axis.grid(alpha=0.3)
        for one in conjunctions:
            axis.axvspan(one.start, one.end, color="tab:red", alpha=0.25, label="within 2° of the Sun")
    axes[2].legend(loc="upper right")
    figure.savefig(path, dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    main()
