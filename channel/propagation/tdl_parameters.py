"""Numbers of the tapped delay lines (TDL) of 3GPP TR 38.901, and the OFDM resource grid that they are used under."""

from __future__ import annotations

from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from channel.checks import Settings

MAX_DOPPLER_PER_SPACING: Final = 0.05
"""Largest Doppler shift over the subcarrier spacing: interference between carriers then stays below -23.8 dB."""
LAST_TAP_DELAY: Final = {"A": 9.6586, "B": 4.7834, "C": 8.6523, "D": 12.525, "E": 20.6519}
"""Largest tap delay over the delay spread, by profile: TR 38.901 V19.2.0, tables 7.7.2-1 to 7.7.2-5."""


class OfdmGrid(Settings):
    """One slot of the resource grid: ``slot_symbols`` OFDM symbols of ``fft_size`` subcarriers.

    The subcarrier spacing is the channel's symbol rate over ``fft_size``. The OFDM symbols in ``pilot_symbols`` carry
    pilots on every used carrier, the others carry data. Guard carriers and the DC carrier are empty;
    ``cyclic_prefix`` samples precede each OFDM symbol.
    """

    fft_size: Annotated[int, Field(ge=8, le=4096)] = 64
    slot_symbols: Annotated[int, Field(ge=2, le=1000)] = 14
    cyclic_prefix: Annotated[int, Field(ge=0)] = 5
    guard_carriers_low: Annotated[int, Field(ge=0)] = 5
    guard_carriers_high: Annotated[int, Field(ge=0)] = 6
    dc_null: bool = True
    pilot_symbols: Annotated[tuple[int, ...], Field(strict=False, min_length=1)] = (2, 11)

    @property
    def effective_carriers(self) -> int:
        """Carriers that carry data or pilots."""
        return self.fft_size - self.guard_carriers_low - self.guard_carriers_high - self.dc_null

    @property
    def pilot_elements(self) -> int:
        """Resource elements of a slot that carry pilots."""
        return len(self.pilot_symbols) * self.effective_carriers

    @property
    def data_elements(self) -> int:
        """Resource elements of a slot that carry data."""
        return (self.slot_symbols - len(self.pilot_symbols)) * self.effective_carriers

    @property
    def slot_channel_uses(self) -> int:
        """Complex samples of a slot on air: data, pilots, guard and DC carriers, cyclic prefixes."""
        return self.slot_symbols * (self.fft_size + self.cyclic_prefix)

    def slots(self, symbols: int) -> int:
        """Return the slots that ``symbols`` data symbols take."""
        return -(-symbols // self.data_elements)

    @model_validator(mode="after")
    def _check_carriers_and_pilots(self) -> Self:
        if self.cyclic_prefix > self.fft_size:
            raise ValueError("cyclic_prefix must not be longer than fft_size")
        half = self.fft_size // 2
        if max(self.guard_carriers_low, self.guard_carriers_high + 1) > half - 1:
            raise ValueError("guard carriers must leave used carriers on both sides of the DC carrier")
        if sorted({*self.pilot_symbols}) != list(self.pilot_symbols):
            raise ValueError("pilot_symbols must be ascending")
        if self.pilot_symbols[0] < 0 or self.pilot_symbols[-1] >= self.slot_symbols:
            raise ValueError(f"pilot_symbols must lie between 0 and {self.slot_symbols - 1}")
        if len(self.pilot_symbols) == self.slot_symbols:
            raise ValueError("pilot_symbols must leave OFDM symbols for data")
        return self
