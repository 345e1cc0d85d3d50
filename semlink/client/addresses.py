"""Where the three services listen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SERVICE_NAMES: Final = ("sender", "channel", "receiver")


@dataclass(frozen=True, slots=True)
class Addresses:
    """``host:port`` of each service; empty for one that has no address."""

    sender: str = ""
    channel: str = ""
    receiver: str = ""

    @property
    def given(self) -> bool:
        """Whether any service has an address."""
        return bool(self.sender or self.channel or self.receiver)
