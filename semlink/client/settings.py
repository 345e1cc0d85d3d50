"""From options of the command to what a sender is asked for."""

from __future__ import annotations

from shared.errors import ConfigError
from shared.rpc.semlink.v1 import sender_pb2
from shared.rpc.wire import wire_message


def send_settings(
    codec: str,
    budget_bytes: int,
    *,
    caption: str | None,
    tokens: int | None,
    planes: int | None,
    trade_off: str,
    packet_bytes: int = 0,
) -> sender_pb2.SendSettings:
    """Return settings of one picture; what is None stays unset: the captioner's sentence, the codec's own numbers.

    ``trade_off`` is ALPHA:BETA; the empty one is none.

    Raises:
        ConfigError: a value that its field cannot hold, or weights that are no two numbers.
    """
    chosen = {"caption": caption, "tokens": tokens, "planes": planes}
    settings = wire_message(
        sender_pb2.SendSettings,
        codec=codec,
        budget_bytes=budget_bytes,
        packet_bytes=packet_bytes,
        **{name: value for name, value in chosen.items() if value is not None},
    )
    if trade_off:
        settings.trade_off.CopyFrom(_trade_off_in(trade_off))
    return settings


def _trade_off_in(text: str) -> sender_pb2.TradeOff:
    alpha, _, beta = text.partition(":")
    try:
        return sender_pb2.TradeOff(alpha=float(alpha), beta=float(beta))
    except ValueError:
        raise ConfigError(f"--trade-off {text}: give two numbers with a colon between, as 1:0.001") from None
