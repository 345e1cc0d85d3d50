"""``semlink sweep``: many pictures over many channels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from semlink.cli.options import Changes, Device, Json

SweepFile = Annotated[
    Path | None,
    typer.Option("--file", help="Sweep file: YAML with settings of these names; flags go before it.", metavar="FILE"),
]


def sweep(
    pictures: Annotated[
        list[Path] | None, typer.Argument(help="Picture files, or folders of them.", metavar="[PICTURES]...")
    ] = None,
    file: SweepFile = None,
    codecs: Annotated[
        str | None,
        typer.Option(
            "--codec",
            help="Codecs with commas between: hci, hci@hci+ldpc:best, avif+ldpc:mcs=8, hevc+ideal ...",
            show_default="hci",
        ),
    ] = None,
    channels: Annotated[
        str | None, typer.Option("--channel", help="Channels with commas between.", show_default="awgn")
    ] = None,
    snr: Annotated[
        str | None,
        typer.Option("--snr", help="SNRs in dB, as -4,0,4 or -4:12:2.", show_default="each channel's own"),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option("--bytes", help="Most bytes of the container, as 800,1200.", show_default="the codec's rate"),
    ] = None,
    uses: Annotated[
        str | None,
        typer.Option("--channel-uses", help="Most complex symbols per picture, as 8000,16000.", show_default=False),
    ] = None,
    cbr: Annotated[
        str | None,
        typer.Option("--cbr", help="Channel uses per picture sample (3 W H), as 0.01,0.02.", show_default=False),
    ] = None,
    seeds: Annotated[
        str | None, typer.Option("--seeds", help="Number of seeds, or seeds with commas between.", show_default="1")
    ] = None,
    packet_bytes: Annotated[
        int | None, typer.Option(help="Most bytes of one packet, 32 to 1024.", show_default="256")
    ] = None,
    changes: Changes = None,
    measures: Annotated[
        str | None,
        typer.Option(help="Measures with commas between.", show_default="psnr_db,ms_ssim,lpips_efficientnet"),
    ] = None,
    stop: Annotated[
        str | None,
        typer.Option(help="Stop a point at this half width of its interval, as psnr_db=0.2.", metavar="MEASURE=WIDTH"),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the rows; rows that it holds are not made again.")] = Path(
        "out/sweep"
    ),
    workers: Annotated[int, typer.Option(help="Processes that compute.", min=1, max=1024)] = 1,
    ray: Annotated[
        str, typer.Option(help="Address of a Ray cluster, or local, in the place of --workers.", show_default=False)
    ] = "",
    device: Device = "cpu",
    as_json: Json = False,
) -> None:
    """Send PICTURES over many channels with many codecs; a run that was cut off goes on."""
    from semlink.sweep.command import sweep as run_sweep
    from semlink.sweep.settings import changes_in, stop_in

    flags = {
        "pictures": [str(one) for one in pictures] if pictures else None,
        "codecs": codecs,
        "channels": channels,
        "snr_db": snr,
        "budget_bytes": budget,
        "channel_uses": uses,
        "cbr": cbr,
        "seeds": seeds,
        "packet_bytes": packet_bytes,
        "set": changes_in(changes) if changes else None,
        "measures": measures,
        "stop": stop_in(stop) if stop else None,
    }
    run_sweep(file, flags, out, workers=workers, ray=ray, device=device, as_json=as_json)
