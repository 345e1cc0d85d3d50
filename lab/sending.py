"""From options of the command to what a sender is asked for."""

from __future__ import annotations

from shared.rpc.semlink.v1 import sender_pb2
from shared.rpc.wire import wire_message


def send_settings(
    codec: str, budget_bytes: int, *, caption: str | None, tokens: int | None, planes: int | None, packet_bytes: int = 0
) -> sender_pb2.SendSettings:
    """Return settings of one picture; what is None stays unset: the captioner's sentence, the codec's own numbers.

    Raises:
        ConfigError: a value that its field cannot hold.
    """
    chosen = {"caption": caption, "tokens": tokens, "planes": planes}
    return wire_message(
        sender_pb2.SendSettings,
        codec=codec,
        budget_bytes=budget_bytes,
        packet_bytes=packet_bytes,
        **{name: value for name, value in chosen.items() if value is not None},
    )
