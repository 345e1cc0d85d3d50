"""Options of the commands that encode a picture: what the sender makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from semlink.cli.options import CODECS, CodecName

if TYPE_CHECKING:
    from shared.rpc.semlink.v1 import sender_pb2


@dataclass(frozen=True)
class SenderOptions:
    """What the sender makes of a picture."""

    PANEL: ClassVar = "Sender"

    codec: CodecName = "hci"
    caption: Annotated[
        str | None,
        typer.Option(
            "--caption",
            help='Caption to send; "" sends none.',
            metavar="TEXT",
            show_default="generated from the picture",
        ),
    ] = None
    captioner: Annotated[
        str,
        typer.Option(
            "--captioner",
            help="Model profile whose captioner describes the picture and finds its regions: a name of 'semlink "
            "models', or FILE.yaml.",
            metavar="NAME",
            show_default="the captioner that ships",
        ),
    ] = ""
    tokens: Annotated[
        int | None,
        typer.Option("--tokens", help="Maximum number of semantic tokens, 8 to 64.", metavar="N", show_default=CODECS),
    ] = None
    latent_channels: Annotated[
        int | None,
        typer.Option(
            "--latent-channels",
            help="Maximum number of latent channels: 1, 2, 4, 8 or 16.",
            metavar="N",
            show_default=CODECS,
        ),
    ] = None
    trade_off: Annotated[
        str,
        typer.Option(
            "--trade-off",
            help="Send the latent channels that minimise ALPHA * feature distortion + BETA * bytes.",
            metavar="ALPHA:BETA",
            show_default="as many channels as fit",
        ),
    ] = ""

    def settings(
        self, max_bytes: int, packet_bytes: int = 0, expected_loss: float | None = None
    ) -> sender_pb2.SendSettings:
        """Return the settings of one picture whose container has at most ``max_bytes``; 0: the codec's rate.

        Raises:
            ConfigError: a number does not fit its field, or the trade-off is not two numbers.
        """
        from semlink.cli.trade_off import parse_trade_off
        from semlink.client.settings import send_settings

        return send_settings(
            self.codec,
            max_bytes,
            caption=self.caption,
            tokens=self.tokens,
            latent_channels=self.latent_channels,
            trade_off=parse_trade_off(self.trade_off),
            packet_bytes=packet_bytes,
            expected_loss=expected_loss,
            captioner=self.captioner,
        )
