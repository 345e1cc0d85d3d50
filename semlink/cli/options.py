"""Options and arguments that commands of ``semlink`` share. Nothing heavy is imported here."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

MAX_U32, MAX_U64 = 2**32 - 1, 2**64 - 1


class SnrKind(StrEnum):
    """How a signal-to-noise ratio is stated."""

    ESN0 = "esn0"
    EBN0 = "ebn0"


class Protect(StrEnum):
    """How the streams of a picture are protected."""

    EQUAL = "equal"
    UNEQUAL = "unequal"


class ServiceName(StrEnum):
    """The services of the link."""

    SENDER = "sender"
    CHANNEL = "channel"
    RECEIVER = "receiver"


Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]
CodecName = Annotated[str, typer.Option("--codec", help="Codec; 'semlink codecs' lists them.")]
Caption = Annotated[
    str | None,
    typer.Option(
        "--caption", help='Words to send with the picture; "": none.', metavar="TEXT", show_default="the captioner's"
    ),
]
CODECS_OWN = "the codec's"
TokenCount = Annotated[int | None, typer.Option("--tokens", help="Tokens at most, 8 to 64.", show_default=CODECS_OWN)]
PlaneCount = Annotated[
    int | None,
    typer.Option("--planes", help="Planes of the latent at most: 1, 2, 4, 8 or 16.", show_default=CODECS_OWN),
]
TradeOffWeights = Annotated[
    str,
    typer.Option(
        "--trade-off",
        help="Choose the planes that cost least: ALPHA times what is lost of the picture, plus BETA per byte.",
        metavar="ALPHA:BETA",
        show_default="as many planes as fit",
    ),
]
DecoderName = Annotated[
    str, typer.Option("--decoder", help="Decoder of the receiver: pocket (diffusion) or hci (up-sampling only).")
]
OWN = "the decoder's own"
Steps = Annotated[
    int | None,
    typer.Option("--steps", help="Steps of the decoder's flow, 0 to 4.", min=0, max=MAX_U32, show_default=OWN),
]
Fidelity = Annotated[
    float | None,
    typer.Option(
        "--fidelity", help="How far the picture is pulled back to what was received, 0 to 1.", show_default=OWN
    ),
]
DecodeSeed = Annotated[int, typer.Option("--decode-seed", help="Seed of the decoder's noise.", min=0, max=MAX_U64)]
Device = Annotated[
    str,
    typer.Option(
        "--device",
        help="Where the receiver's decoder computes: cpu, cuda, cuda:1 ...",
        show_default="CUDA where there is one",
    ),
]
Progressive = Annotated[
    Path | None,
    typer.Option("--progressive", help="Write intermediate pictures there, preview-001.png ...", metavar="DIR"),
]
Trust = Annotated[
    Path | None,
    typer.Option(
        "--trust", help="Write the trust map there: a pixel per 16x16 block, white: received.", metavar="FILE.png"
    ),
]
ChannelName = Annotated[
    str,
    typer.Option(
        "--channel",
        help="Channel: a name, or a file that ends in .yaml; 'semlink channels' lists the names.",
        metavar="NAME|FILE.yaml",
    ),
]
Changes = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Change a setting of the channel, as propagation.speed_m_s=30; may be given often.",
        metavar="SETTING=VALUE",
    ),
]
PROFILE = "the profile's"
BodyName = Annotated[
    str | None,
    typer.Option("--body", help="Deep space: moon, mars, jupiter or saturn.", show_default=PROFILE),
]
Date = Annotated[
    str | None,
    typer.Option("--date", help="Deep space: send from this date on, UTC, as 2026-03-01T12:00.", show_default=PROFILE),
]
DistanceKm = Annotated[
    float | None,
    typer.Option("--distance-km", help="Deep space: this range instead of the body's own.", show_default="ephemeris"),
]
Snr = Annotated[
    float | None,
    typer.Option("--snr", help="Signal-to-noise ratio in dB; --snr-kind says which.", show_default=PROFILE),
]
SnrKindOption = Annotated[
    SnrKind | None,
    typer.Option("--snr-kind", help="Es/N0 per symbol, or Eb/N0 per information bit.", show_default=PROFILE),
]
McsOption = Annotated[
    str | None,
    typer.Option(
        "--mcs", help="Row of TS 38.214 table 5.1.3.1-1, or auto: the fastest for the SNR.", show_default=PROFILE
    ),
]
ProtectOption = Annotated[
    Protect,
    typer.Option(
        "--protect",
        help="equal: as the profile says; unequal: the same channel uses, dealt out by what each stream is worth.",
    ),
]
PicturePath = Annotated[Path, typer.Argument(help="Picture file: PNG, JPEG, WebP, AVIF, TIFF ...", metavar="PICTURE")]
Timeout = Annotated[
    float,
    typer.Option("--timeout", help="Deadline of every call, in seconds; a server stops at 900.", min=0.1, max=86400),
]
SenderAddress = Annotated[
    str,
    typer.Option("--sender", help="host:port of a running sender.", envvar="SEMLINK_SENDER", show_default=False),
]
ChannelAddress = Annotated[
    str,
    typer.Option("--channel-at", help="host:port of a running channel.", envvar="SEMLINK_CHANNEL", show_default=False),
]
ReceiverAddress = Annotated[
    str,
    typer.Option("--receiver", help="host:port of a running receiver.", envvar="SEMLINK_RECEIVER", show_default=False),
]
