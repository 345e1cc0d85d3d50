"""Settings of a kind of propagation under OFDM (orthogonal frequency-division multiplexing)."""

from __future__ import annotations

from channel.propagation.base import PropagationSettings
from channel.propagation.tdl_parameters import OfdmGrid  # noqa: TC001 - pydantic reads it


class OfdmSettings(PropagationSettings):
    """Symbols are sent in complete slots of ``grid``, with pilots and cyclic prefixes."""

    grid: OfdmGrid

    @property
    def occupied_share(self) -> float:
        """Used carriers over all carriers."""
        return self.grid.effective_carriers / self.grid.fft_size

    def channel_uses(self, symbols: int) -> int:
        """Return the channel uses of ``symbols`` data symbols: complete slots, with pilots and cyclic prefixes."""
        return self.grid.slots(symbols) * self.grid.slot_channel_uses

    def pilot_uses(self, symbols: int) -> int:
        """Return the pilots of these slots."""
        return self.grid.slots(symbols) * self.grid.pilot_elements
