"""How a picture ends: the words of tables, JSON documents, rows and metrics (docs/losses.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from shared.rpc.semlink.v1 import receiver_pb2

REBUILT: Final = "rebuilt"
"""The decoder made a picture from received streams."""
INVENTED: Final = "invented"
"""The picture's size arrived, but no complete stream: the picture is the mean of all training pictures."""
LOST: Final = "lost"
"""There is no picture: no packet with its size arrived, or the decoder can start from none of the streams."""
OUTCOMES: Final = (REBUILT, INVENTED, LOST)


def outcome_of(report: receiver_pb2.ReceiveReport) -> str:
    """Return the outcome that ``report`` states."""
    if not report.rebuilt:
        return LOST
    return INVENTED if report.invented else REBUILT
