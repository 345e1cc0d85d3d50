"""``semlink sweep``: many pictures over many channels."""

from __future__ import annotations

import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from semlink.cli.options import DEVICES, Changes, Json
from semlink.cli.picture_options import LevelsOverFile

if TYPE_CHECKING:
    from semlink.sweep.plan import Plan
    from semlink.sweep.schedule import Schedule


def sweep(
    pictures: Annotated[
        list[Path] | None, typer.Argument(help="Picture files, or folders of them.", metavar="PICTURES")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file", help="YAML file with the settings of the sweep. Options take precedence over it.", metavar="FILE"
        ),
    ] = None,
    levels: LevelsOverFile = None,
    codecs: Annotated[
        str | None,
        typer.Option(
            "--codec",
            help="Codecs with commas between: hci, hci@hci+ldpc:best, avif+ldpc:mcs=8, hevc+ideal ...",
            metavar="NAME,...",
            show_default="hci",
        ),
    ] = None,
    channels: Annotated[
        str | None,
        typer.Option(
            "--channel",
            help="Channels with commas between: names that 'semlink channels' lists, or YAML files.",
            metavar="NAME,...",
            show_default="awgn",
        ),
    ] = None,
    snr: Annotated[
        str | None,
        typer.Option(
            "--snr",
            help="Signal-to-noise ratios in dB: a list such as -4,0,4, or first:last:step such as -4:12:2.",
            metavar="DB,...",
            show_default="each channel's own",
        ),
    ] = None,
    max_bytes: Annotated[
        str | None,
        typer.Option(
            "--bytes",
            help="Maximum bytes of the container, for example 800 or 0.02bpp, with commas between.",
            metavar="BYTES,...",
            show_default="the codec's rate",
        ),
    ] = None,
    uses: Annotated[
        str | None,
        typer.Option(
            "--channel-uses",
            help="Instead of --bytes: maximum channel uses (complex symbols) per picture, for example 8000,16000.",
            metavar="N,...",
            show_default=False,
        ),
    ] = None,
    cbr: Annotated[
        str | None,
        typer.Option(
            "--cbr",
            help="Instead of --bytes: channel bandwidth ratios, the most channel uses over 3 x width x height of the "
            "picture, for example 0.01,0.02.",
            metavar="RATIO,...",
            show_default=False,
        ),
    ] = None,
    seeds: Annotated[
        str | None,
        typer.Option(
            "--seeds", help="Number of seeds, or a list of seeds such as 7,8.", metavar="N|SEED,...", show_default="1"
        ),
    ] = None,
    packet_bytes: Annotated[
        int | None,
        typer.Option(help="Maximum bytes of one packet, 32 to 1024.", metavar="BYTES", show_default="256"),
    ] = None,
    changes: Changes = None,
    measures: Annotated[
        str | None,
        typer.Option(
            help="Measures with commas between: psnr_db, ms_ssim, lpips_alex, lpips_vgg, dists.",
            metavar="NAME,...",
            show_default="psnr_db,ms_ssim,lpips_alex",
        ),
    ] = None,
    stop: Annotated[
        str | None,
        typer.Option(
            help="Try no more seeds at a point when half the width of the measure's confidence interval is at most "
            "WIDTH, for example psnr_db=0.2.",
            metavar="MEASURE=WIDTH",
        ),
    ] = None,
    out: Annotated[
        Path,
        typer.Option(help="Folder for the rows. Rows that it holds already are not made again.", metavar="FOLDER"),
    ] = Path("out/sweep"),
    workers: Annotated[int, typer.Option(help="Number of processes, 1 to 1024.", min=1, max=1024, metavar="N")] = 1,
    ray: Annotated[
        str,
        typer.Option(
            help="Instead of --workers: address of a Ray cluster, or local.", metavar="ADDRESS", show_default=False
        ),
    ] = "",
    device: Annotated[str, typer.Option(help=f"Device of the decoders: {DEVICES}.", metavar="DEVICE")] = "cpu",
    as_json: Json = False,
) -> None:
    """Send PICTURES with several codecs over several channels, and write a row of results for each.

    The same command continues a run that was interrupted.
    """
    from semlink.report.sweep_progress import show_progress
    from semlink.sweep.plan import make_plan
    from semlink.sweep.run import run_sweep
    from semlink.sweep.settings import load_sweep, parse_bytes, parse_changes, parse_stop

    flags = {
        "pictures": [str(one) for one in pictures] if pictures else None,
        "levels": levels,
        "codecs": codecs,
        "channels": channels,
        "snr_db": snr,
        **(parse_bytes(max_bytes) if max_bytes else {}),
        "channel_uses": uses,
        "cbr": cbr,
        "seeds": seeds,
        "packet_bytes": packet_bytes,
        "set": parse_changes(changes) if changes else None,
        "measures": measures,
        "stop": parse_stop(stop) if stop else None,
    }
    plan = make_plan(load_sweep(file, flags))
    with show_progress(plan, quiet=as_json) as on_rows:
        schedule = run_sweep(plan, out, workers=workers, ray=ray, device=device, command=sys.argv[1:], on_rows=on_rows)
    _print_points(plan, schedule, out, as_json=as_json)


def _print_points(plan: Plan, schedule: Schedule, out: Path, *, as_json: bool) -> None:
    from semlink.cli.output import print_json, print_line, print_notes, print_table
    from semlink.evaluate.pictures import describe_notes
    from semlink.report.sweep_progress import point_table
    from semlink.sweep.summary import summarise_points

    if as_json:
        points = [asdict(point) for point in summarise_points(schedule.rows)]
        reasons = {point.key: schedule.stop_reason(point) for point in plan.points}
        document = {"rows": str(out), "points": [one | {"stopped_by": reasons[one["key"]]} for one in points]}
        print_json(document | {"unreadable": plan.unreadable, "notes": plan.notes})
        return
    common, columns, cells = point_table(plan, schedule)
    print_table(f"{len(schedule.rows)} rows in {out}{common and f'; all points: {common}'}", columns, cells)
    print_notes([*plan.unreadable.values(), *describe_notes(plan.notes)])
    print_line(f"Next: semlink report {shlex.quote(str(out))}")
