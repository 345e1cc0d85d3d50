"""The ``semlink`` command. Heavy imports wait inside the commands, so that ``--help`` answers at once."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import TyperException

from semlink.cli.options import (
    MAX_U32,
    MAX_U64,
    PROFILE,
    BodyName,
    Caption,
    Changes,
    ChannelAddress,
    ChannelName,
    CodecName,
    Date,
    DecoderName,
    DecodeSeed,
    Device,
    DistanceKm,
    Fidelity,
    Json,
    McsOption,
    PicturePath,
    PlaneCount,
    Progressive,
    Protect,
    ProtectOption,
    ReceiverAddress,
    SenderAddress,
    Snr,
    SnrKindOption,
    Steps,
    Timeout,
    TokenCount,
    TradeOffWeights,
    Trust,
)
from semlink.cli.services import leave_threads, probe, serve, up
from semlink.cli.sweep import plot, report, sweep
from shared.errors import LinkError

app = typer.Typer(
    help="A simulated 6G / deep-space semantic communication link for pictures.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


INTERRUPTED_STATUS = 130
BROKEN_PIPE_STATUS = 141


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the grid, the tables and the received pictures.")] = Path(
        "out/demo"
    ),
    channel: ChannelName = "awgn",
    snr: Annotated[str, typer.Option("--snr", help="Signal-to-noise ratios in dB, with commas between.")] = "3,-1.7,-3",
    seed: Annotated[int, typer.Option(help="Seed of the channel noise.", min=0, max=MAX_U64)] = 0,
    device: Device = "",
    sender: SenderAddress = "",
    channel_at: ChannelAddress = "",
    receiver: ReceiverAddress = "",
    json: Json = False,
) -> None:
    """Send real photographs over the three services at several SNRs; leaves a picture grid and a table."""
    from semlink.cli.demo import run_demo
    from semlink.client.addresses import Addresses

    try:
        snrs_db = [float(one) for one in snr.split(",")]
    except ValueError:
        raise typer.BadParameter(f"--snr {snr}: give numbers with commas between, as 3,-1.7,-3") from None
    at = Addresses(sender, channel_at, receiver)
    run_demo(out, seed=seed, device=device, as_json=json, channel=channel, snrs_db=snrs_db, addresses=at)


@app.command()
def send(
    picture: PicturePath,
    codec: CodecName = "hci",
    channel: ChannelName = "awgn",
    snr: Snr = None,
    snr_kind: SnrKindOption = None,
    budget: Annotated[
        int, typer.Option(help="Most bytes of the container; 0: the codec's rate.", min=0, max=MAX_U32)
    ] = 0,
    out: Annotated[Path | None, typer.Option(help="Write the received picture there, as PNG.")] = None,
    mcs: McsOption = None,
    packet_bytes: Annotated[int, typer.Option(help="Most bytes of one packet, 32 to 1024.", min=1, max=MAX_U32)] = 256,
    symbol_rate: Annotated[float | None, typer.Option(help="Complex symbols per second.", show_default=PROFILE)] = None,
    delay: Annotated[float | None, typer.Option(help="Propagation delay in seconds.", show_default=PROFILE)] = None,
    erasure: Annotated[
        float | None, typer.Option(help="Probability that a packet is dropped.", show_default=PROFILE)
    ] = None,
    body: BodyName = None,
    date: Date = None,
    distance_km: DistanceKm = None,
    repair: Annotated[
        float | None, typer.Option(help="Repair packets (RaptorQ) over packets, as 0.25.", show_default=PROFILE)
    ] = None,
    protect: ProtectOption = Protect.EQUAL,
    changes: Changes = None,
    time_scale: Annotated[float, typer.Option(help="Wall seconds per simulated second; 0: do not wait.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Seed of the channel noise.", min=0, max=MAX_U64)] = 0,
    decoder: DecoderName = "pocket",
    steps: Steps = None,
    fidelity: Fidelity = None,
    decode_seed: DecodeSeed = 0,
    device: Device = "",
    progressive: Progressive = None,
    trust: Trust = None,
    caption: Caption = None,
    tokens: TokenCount = None,
    planes: PlaneCount = None,
    trade_off: TradeOffWeights = "",
    sender: SenderAddress = "",
    channel_at: ChannelAddress = "",
    receiver: ReceiverAddress = "",
    timeout: Timeout = 300.0,
    json: Json = False,
) -> None:
    """Send PICTURE over the link and report what arrived. Services that are not given run in this process."""
    from semlink.cli.files import SideOutputs, send_file
    from semlink.client.addresses import Addresses
    from semlink.client.settings import channel_settings, send_settings
    from shared.rpc.semlink.v1 import receiver_pb2
    from shared.rpc.wire import wire_message

    send_file(
        picture,
        out,
        send_settings(
            codec,
            budget,
            caption=caption,
            tokens=tokens,
            planes=planes,
            trade_off=trade_off,
            packet_bytes=packet_bytes,
        ),
        channel_settings(
            channel,
            {
                "snr_db": snr,
                "snr_kind": snr_kind and snr_kind.value,
                "mcs": mcs,
                "symbol_rate_hz": symbol_rate,
                "propagation_delay_s": delay,
                "erasure_rate": erasure,
                "repair_overhead": repair,
                "deep_space.body": body,
                "deep_space.date": date,
                "deep_space.distance_km": distance_km,
            },
            changes or [],
            time_scale=time_scale,
            run_seed=seed,
        ),
        wire_message(
            receiver_pb2.ReceiveSettings,
            **_decoding_fields(decoder, steps, fidelity, decode_seed, progressive),
        ),
        unequal=protect is Protect.UNEQUAL,
        beside=SideOutputs(trust, progressive),
        device=device,
        addresses=Addresses(sender, channel_at, receiver),
        timeout_s=timeout,
        as_json=json,
    )


@app.command()
def channels(
    name: Annotated[
        str, typer.Argument(help="Show this channel with its settings.", metavar="[NAME|FILE.yaml]", show_default=False)
    ] = "",
    snr: Snr = None,
    mcs: McsOption = None,
    body: BodyName = None,
    date: Date = None,
    distance_km: DistanceKm = None,
    changes: Changes = None,
    channel_at: ChannelAddress = "",
    timeout: Timeout = 300.0,
    json: Json = False,
) -> None:
    """List the channels, or show one: its settings with units, and for deep space the contact and the link budget."""
    from semlink.cli.channels import list_channels, show_channel
    from semlink.client.addresses import Addresses
    from semlink.client.settings import channel_settings

    at = Addresses(channel=channel_at)
    space = {"deep_space.body": body, "deep_space.date": date, "deep_space.distance_km": distance_km}
    options = {"snr_db": snr, "mcs": mcs, **space}
    if name:
        settings = channel_settings(name, options, changes or [])
        show_channel(settings, addresses=at, timeout_s=timeout, as_json=json)
    elif changes or any(option is not None for option in options.values()):
        raise typer.BadParameter("settings need a channel to change: semlink channels NAME --set SETTING=VALUE")
    else:
        list_channels(addresses=at, timeout_s=timeout, as_json=json)


@app.command()
def codecs(sender: SenderAddress = "", timeout: Timeout = 300.0, json: Json = False) -> None:
    """List the codecs that the sender knows, with their streams; other packages may add some."""
    from semlink.cli.codecs import list_codecs
    from semlink.client.addresses import Addresses

    list_codecs(addresses=Addresses(sender=sender), timeout_s=timeout, as_json=json)


@app.command()
def encode(
    picture: PicturePath,
    file: Annotated[Path, typer.Argument(help="Container to write.", metavar="FILE.sem")],
    codec: CodecName = "hci",
    max_bytes: Annotated[
        int, typer.Option("--bytes", help="Most bytes of FILE; 0: the codec's rate.", min=0, max=MAX_U32)
    ] = 0,
    caption: Caption = None,
    tokens: TokenCount = None,
    planes: PlaneCount = None,
    trade_off: TradeOffWeights = "",
    sender: SenderAddress = "",
    timeout: Timeout = 300.0,
    json: Json = False,
) -> None:
    """Encode PICTURE into the container FILE.sem."""
    from semlink.cli.files import encode_file
    from semlink.client.addresses import Addresses
    from semlink.client.settings import send_settings

    settings = send_settings(codec, max_bytes, caption=caption, tokens=tokens, planes=planes, trade_off=trade_off)
    encode_file(picture, file, settings, addresses=Addresses(sender=sender), timeout_s=timeout, as_json=json)


@app.command()
def decode(
    file: Annotated[Path, typer.Argument(help="Container to read.", metavar="FILE.sem")],
    out: Annotated[Path, typer.Argument(help="Picture to write, as PNG.", metavar="OUT.png")],
    reference: Annotated[Path | None, typer.Option(help="The original picture, to measure quality against.")] = None,
    decoder: DecoderName = "pocket",
    steps: Steps = None,
    fidelity: Fidelity = None,
    decode_seed: DecodeSeed = 0,
    device: Device = "",
    progressive: Progressive = None,
    trust: Trust = None,
    receiver: ReceiverAddress = "",
    timeout: Timeout = 300.0,
    json: Json = False,
) -> None:
    """Decode the container FILE.sem into the picture OUT.png."""
    from semlink.cli.files import SideOutputs, decode_file
    from semlink.client.addresses import Addresses
    from shared.rpc.semlink.v1 import receiver_pb2
    from shared.rpc.wire import wire_message

    decode_file(
        file,
        out,
        reference,
        wire_message(
            receiver_pb2.DecodeSettings,
            **_decoding_fields(decoder, steps, fidelity, decode_seed, progressive),
        ),
        beside=SideOutputs(trust, progressive),
        device=device,
        addresses=Addresses(receiver=receiver),
        timeout_s=timeout,
        as_json=json,
    )


app.command()(serve)
app.command()(up)
app.command()(probe)


@app.command()
def doctor(json: Json = False) -> None:
    """Report versions, devices and weights: what is there, what is missing, and how to get it."""
    from semlink.cli.doctor import print_report

    print_report(as_json=json)


@app.command()
def evaluate(
    pictures: Annotated[list[Path], typer.Argument(help="Picture files, or folders of them.", metavar="PICTURES...")],
    codec: Annotated[
        str,
        typer.Option(
            "--codec", help="Codecs, with commas between: hci, hci@pocket:steps=4, avif ...; docs/evaluate.md has all."
        ),
    ] = "hci,avif-esrgan,avif,hevc,webp,jpeg2000",
    budgets: Annotated[
        str,
        typer.Option(
            "--bytes", help="Bytes per picture, as 800,0.02bpp; vvc or q52: what VVC took, picture by picture."
        ),
    ] = "0.02bpp,0.03bpp",
    save: Annotated[
        Path, typer.Option(help="Folder for files, decoded pictures, results, table and plot.", metavar="DIR")
    ] = Path("out/evaluate"),
    task: Annotated[
        list[str] | None,
        typer.Option(
            "--task",
            help="Compare a model's answers too: detection=MODEL, segmentation=MODEL, depth=MODEL; folder or hub name.",
            metavar="KIND=MODEL",
        ),
    ] = None,
    device: Device = "",
    json: Json = False,
) -> None:
    """Encode PICTURES with several codecs at equal bytes, decode and measure; a run that was cut off goes on."""
    from semlink.evaluate.command import evaluate as evaluated

    evaluated(pictures, codec, budgets, save, device=device, tasks=task or [], as_json=json)


for _command in (sweep, plot, report):
    app.command()(_command)


def _decoding_fields(
    decoder: str, steps: int | None, fidelity: float | None, seed: int, progressive: Path | None
) -> dict[str, object]:
    """Return the fields of ReceiveSettings and DecodeSettings; what is None stays unset, for the decoder's default."""
    chosen = {"steps": steps, "fidelity": fidelity}
    return {
        "decoder": decoder,
        "seed": seed,
        "progressive": progressive is not None,
        "trust_map": True,
        **{name: value for name, value in chosen.items() if value is not None},
    }


def main() -> None:
    """Run the command; a failure that the user can mend prints one line and exits with status 2."""
    # gRPC's core writes its own lines to standard error, also where nothing is wrong.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    # OpenMP threads wait for each other in every operation: where something else runs on one of their cores, as the
    # services do beside each other, all are slow.
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // 2)))
    try:
        status = app(standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of our output has gone; what is left must not be flushed into the closed pipe at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(BROKEN_PIPE_STATUS)
    except OSError as error:
        sys.exit(_told(f"{error.strerror or error}; free some space or choose another place", 2))
    except LinkError as error:
        sys.exit(_told(str(error), error.exit_status))
    except TyperException as error:
        message = error.format_message().rstrip(".").replace("Value error, ", "")
        known = [command.callback.__name__ for command in app.registered_commands if command.callback]
        command = " ".join(["semlink", *(name for name in sys.argv[1:2] if name in known)])
        sys.exit(_told(f"{message}; see {command} --help", error.exit_code) if message else error.exit_code)
    if status == INTERRUPTED_STATUS:
        _told("stopped", status)
        leave_threads(status)
    sys.exit(status if isinstance(status, int) else 0)


def _told(message: str, status: int) -> int:
    sys.stderr.write(f"error: {' '.join(message.split())}\n")
    return status


if __name__ == "__main__":
    main()
