"""Options and arguments that several commands share, alone and in groups (``option_groups.py``)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from semlink.client.addresses import Addresses
from semlink.pipeline.transfer import Protect

if TYPE_CHECKING:
    from shared.rpc.semlink.v1 import channel_pb2, receiver_pb2

MAX_SEED = 2**64 - 1
PROFILE = "the profile's"
CODECS = "the codec's"
DECODERS = "the decoder's"
CUDA_OR_CPU = "cuda if there is one, else cpu"
DEVICES = "cpu, cuda, cuda:1 ... or mps (Mac)"


class SnrKind(StrEnum):
    """How a signal-to-noise ratio is stated."""

    ESN0 = "esn0"
    EBN0 = "ebn0"


CodecName = Annotated[str, typer.Option("--codec", help="Codec, one that 'semlink codecs' lists.", metavar="NAME")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]
Seed = Annotated[
    int, typer.Option("--seed", help="Seed of the channel's noise and losses.", min=0, max=MAX_SEED, metavar="SEED")
]
ChannelName = Annotated[
    str,
    typer.Option(
        "--channel",
        help="Channel profile: a name that 'semlink channels' lists, or a YAML file.",
        metavar="NAME|FILE.yaml",
    ),
]
Changes = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Change one setting that 'semlink channels NAME' lists, for example mcs=10. May be repeated.",
        metavar="SETTING=VALUE",
    ),
]
SweepFolders = Annotated[list[Path], typer.Argument(help="Folders of rows that sweeps wrote.", metavar="FOLDER")]
Device = Annotated[
    str,
    typer.Option("--device", help=f"Device of the decoder: {DEVICES}.", metavar="DEVICE", show_default=CUDA_OR_CPU),
]
Timeout = Annotated[
    float,
    typer.Option(
        "--timeout",
        help="Time limit of each call to a service elsewhere, 0.1 to 86400 seconds; work in this process has none. A "
        "service ends a call after 900 seconds.",
        min=0.1,
        max=86400,
        metavar="SECONDS",
    ),
]
SenderAddress = Annotated[
    str,
    typer.Option(
        "--sender",
        help="Address of a running sender. Without it, the sender runs in this process.",
        metavar="HOST:PORT",
        envvar="SEMLINK_SENDER",
        show_default=False,
    ),
]
ChannelAddress = Annotated[
    str,
    typer.Option(
        "--channel-at",
        help="Address of a running channel. Without it, the channel runs in this process.",
        metavar="HOST:PORT",
        envvar="SEMLINK_CHANNEL",
        show_default=False,
    ),
]
ReceiverAddress = Annotated[
    str,
    typer.Option(
        "--receiver",
        help="Address of a running receiver. Without it, the receiver runs in this process.",
        metavar="HOST:PORT",
        envvar="SEMLINK_RECEIVER",
        show_default=False,
    ),
]


@dataclass(frozen=True)
class ProfileOptions:
    """Changes to the settings of a channel profile; an option that is not given changes nothing."""

    PANEL: ClassVar = "Channel"

    snr: Annotated[
        float | None,
        typer.Option(
            "--snr",
            help="Signal-to-noise ratio in dB; --snr-kind says whether Es/N0 or Eb/N0.",
            metavar="DB",
            show_default=PROFILE,
        ),
    ] = None
    snr_kind: Annotated[
        SnrKind | None,
        typer.Option(
            "--snr-kind",
            help="What --snr is: Es/N0 (energy per symbol) or Eb/N0 (energy per information bit).",
            show_default=PROFILE,
        ),
    ] = None
    mcs: Annotated[
        str | None,
        typer.Option(
            "--mcs",
            help="Modulation and coding scheme: row 3 to 28 of TS 38.214 table 5.1.3.1-1, or auto: the fastest for "
            "the SNR.",
            metavar="ROW|auto",
            show_default=PROFILE,
        ),
    ] = None
    symbol_rate: Annotated[
        float | None,
        typer.Option("--symbol-rate", help="Complex symbols per second.", metavar="HZ", show_default=PROFILE),
    ] = None
    delay: Annotated[
        float | None,
        typer.Option("--delay", help="Propagation delay in seconds.", metavar="SECONDS", show_default=PROFILE),
    ] = None
    erasure: Annotated[
        float | None,
        typer.Option(
            "--erasure",
            help="Probability that a packet is erased, 0 to 1.",
            metavar="PROBABILITY",
            show_default=PROFILE,
        ),
    ] = None
    repair: Annotated[
        float | None,
        typer.Option(
            "--repair",
            help="Repair packets (RaptorQ) per packet of the picture, for example 0.25; 0 sends none.",
            metavar="RATIO",
            show_default=PROFILE,
        ),
    ] = None
    body: Annotated[
        str | None,
        typer.Option(
            "--body",
            help="Deep space: body that the picture is sent from: moon, mars, jupiter or saturn.",
            metavar="NAME",
            show_default=PROFILE,
        ),
    ] = None
    date: Annotated[
        str | None,
        typer.Option(
            "--date",
            help="Deep space: earliest departure in UTC, for example 2026-03-01T12:00.",
            metavar="DATE",
            show_default=PROFILE,
        ),
    ] = None
    distance_km: Annotated[
        float | None,
        typer.Option(
            "--distance-km", help="Deep space: distance in km.", metavar="KM", show_default="the body's on that date"
        ),
    ] = None
    changes: Changes = None

    @property
    def values(self) -> dict[str, Any]:
        """The settings that these options change, by name in the profile; None for one that stays."""
        return {
            "snr_db": self.snr,
            "snr_kind": self.snr_kind and self.snr_kind.value,
            "mcs": self.mcs,
            "symbol_rate_hz": self.symbol_rate,
            "propagation_delay_s": self.delay,
            "erasure_rate": self.erasure,
            "repair_overhead": self.repair,
            "deep_space.body": self.body,
            "deep_space.date": self.date,
            "deep_space.distance_km": self.distance_km,
        }

    @property
    def given(self) -> bool:
        """Whether any of these options was given."""
        return bool(self.changes) or any(value is not None for value in self.values.values())

    def settings(self, channel: str, **run: Any) -> channel_pb2.ChannelSettings:
        """Return the settings of a transmission over ``channel``; ``run`` are further fields of the message.

        Raises:
            InputError: the profile's file cannot be read.
            ConfigError: a change is not SETTING=VALUE, or a number does not fit its field.
        """
        from semlink.client.settings import channel_settings

        return channel_settings(channel, self.values, self.changes or [], **run)


@dataclass(frozen=True, kw_only=True)
class ChannelOptions:
    """The channel that a picture is sent over."""

    PANEL: ClassVar = "Channel"

    channel: ChannelName = "awgn"
    profile: ProfileOptions
    protect: Annotated[
        Protect,
        typer.Option(
            "--protect",
            help="Protection of the streams in the profile's channel uses: none (the profile as it is), equal (one MCS "
            "and share of repair packets), unequal (by worth), auto (the least predicted loss).",
        ),
    ] = Protect.AUTO
    time_scale: Annotated[
        float,
        typer.Option("--time-scale", help="Wall-clock seconds per simulated second; 0 does not wait.", metavar="RATIO"),
    ] = 0.0
    seed: Seed = 0

    def settings(self) -> channel_pb2.ChannelSettings:
        """Return the settings of a transmission.

        Raises:
            InputError, ConfigError: as ``ProfileOptions.settings``.
        """
        return self.profile.settings(self.channel, time_scale=self.time_scale, run_seed=self.seed)


@dataclass(frozen=True)
class ReceiverOptions:
    """How the receiver decodes, and where."""

    PANEL: ClassVar = "Receiver"

    decoder: Annotated[
        str,
        typer.Option(
            "--decoder",
            help="Decoder: pocket restores the picture with trained networks, hci only enlarges the received image; or "
            "a model profile, one that 'semlink models' lists or a YAML file.",
            metavar="NAME|FILE.yaml",
        ),
    ] = "pocket"
    steps: Annotated[
        int | None,
        typer.Option(
            "--steps", help="Diffusion steps; pocket takes 0 to 4.", min=0, metavar="N", show_default=DECODERS
        ),
    ] = None
    fidelity: Annotated[
        float | None,
        typer.Option(
            "--fidelity",
            help="How closely the picture must agree with the received image, 0 (not at all) to 1 (exactly).",
            metavar="F",
            show_default=DECODERS,
        ),
    ] = None
    decode_seed: Annotated[
        int, typer.Option("--decode-seed", help="Seed of the decoder's noise.", min=0, max=MAX_SEED, metavar="SEED")
    ] = 0
    device: Device = ""

    def receive_settings(self) -> receiver_pb2.ReceiveSettings:
        """Return the settings of a picture that arrives in packets.

        Raises:
            ConfigError: a number does not fit its field.
        """
        from shared.rpc.semlink.v1 import receiver_pb2
        from shared.rpc.wire import make_message

        return make_message(receiver_pb2.ReceiveSettings, **self._fields())

    def decode_settings(self, *, progressive: bool) -> receiver_pb2.DecodeSettings:
        """Return the settings of a picture in a container; ``progressive`` asks for previews.

        Raises:
            ConfigError: a number does not fit its field.
        """
        from shared.rpc.semlink.v1 import receiver_pb2
        from shared.rpc.wire import make_message

        return make_message(receiver_pb2.DecodeSettings, **self._fields(), progressive=progressive)

    def _fields(self) -> dict[str, object]:
        chosen = {"steps": self.steps, "fidelity": self.fidelity}  # None: the field stays unset
        return {
            "decoder": self.decoder,
            "seed": self.decode_seed,
            "trust_map": True,
            **{name: value for name, value in chosen.items() if value is not None},
        }


@dataclass(frozen=True)
class ServiceOptions:
    """The services that run elsewhere. One without an address runs in this process."""

    PANEL: ClassVar = "Services"

    sender: SenderAddress = ""
    channel_at: ChannelAddress = ""
    receiver: ReceiverAddress = ""

    @property
    def addresses(self) -> Addresses:
        """The addresses of the services."""
        return Addresses(self.sender, self.channel_at, self.receiver)
