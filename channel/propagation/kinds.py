"""Settings of the kinds of propagation that ship: AWGN, block fading, and a tapped delay line under OFDM.

AWGN: additive white Gaussian noise. OFDM: orthogonal frequency-division multiplexing. Every kind has unit mean power,
so ``snr_db`` of the channel is the mean SNR.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from channel.constants import SPEED_OF_LIGHT_M_S
from channel.propagation.base import PropagationSettings
from channel.propagation.ofdm_settings import OfdmSettings
from channel.propagation.tdl_parameters import LAST_TAP_DELAY, MAX_DOPPLER_PER_SPACING, OfdmGrid
from channel.propagation.tdl_taps import load_taps
from channel.snr import snr_ratio

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CarrierHz = Annotated[float, Field(ge=0.5e9, le=100e9)]  # the range of TR 38.901
WALK_M_S: Final = 0.83
"""3 km/h."""
TURNS_PER_BLOCK: Final = 0.01
"""Largest Doppler shift times the duration of a block that is simulated with one coefficient."""
MOST_STILL_BLOCKS: Final = 4
"""Up to this many blocks (J0² above 0.96 from end to end) a packet counts as one fade in predictions."""
MAX_K_FACTOR_DB = 100.0
"""Here the scattered part is below the rounding of float32."""


class Awgn(PropagationSettings):
    """White Gaussian noise and nothing else."""

    kind: Literal["awgn"] = "awgn"

    @property
    def k_ratio(self) -> float:
        """Infinite: there is no fading."""
        return math.inf


class MovingReceiver(PropagationSettings):
    """Fading by movement: ``continuous`` through the packets of a picture, or ``independent`` from packet to packet."""

    fading: Literal["continuous", "independent"] = "continuous"
    speed_m_s: Annotated[float, Field(ge=0, le=10_000)] = WALK_M_S
    carrier_frequency_hz: CarrierHz = 3.5e9

    @property
    def max_doppler_hz(self) -> float:
        """Largest Doppler shift f_D = v / c · f_c."""
        return self.speed_m_s / SPEED_OF_LIGHT_M_S * self.carrier_frequency_hz

    @property
    def turn_rad_s(self) -> float:
        """2 π f_D of continuous fading."""
        return math.inf if self.fading == "independent" else 2 * math.pi * self.max_doppler_hz


class BlockFading(MovingReceiver):
    """One complex coefficient for all frequencies.

    Independent fading has one per coherence block of ``coherence_symbols`` symbols, or per packet if that is None.
    Blocks start with the packet. The coefficients of different blocks and packets are independent.
    """

    coherence_symbols: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _blocks_are_independent(self) -> Self:
        if self.coherence_symbols is not None and self.fading == "continuous":
            raise ValueError(
                f"coherence_symbols = {self.coherence_symbols}: blocks fade on their own only with "
                "fading: independent; set it, or set speed_m_s instead of coherence_symbols"
            )
        return self

    def fades(self, symbols: int) -> float:
        """Return the independent coherence blocks of a packet of ``symbols`` symbols, at least 1."""
        return max(1.0, symbols / (self.coherence_symbols or max(symbols, 1)))

    def blocks(self, symbols: int, symbol_rate_hz: float) -> int:
        """Return in how many blocks of one coefficient continuous fading is simulated over a packet."""
        turns = self.max_doppler_hz * symbols / symbol_rate_hz
        return max(1, min(symbols, math.ceil(turns / TURNS_PER_BLOCK)))

    def element_snr(
        self, es_n0_db: float, symbols: int, symbol_rate_hz: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Return the SNRs over a packet in which continuous fading changes; None if it has independent fades."""
        if self.fading == "independent" or self.blocks(symbols, symbol_rate_hz) <= MOST_STILL_BLOCKS:
            return None
        from channel.propagation.picture_fading import flat_snr  # noqa: PLC0415 - only predictions need it

        return flat_snr(self.k_ratio, self.turn_rad_s * symbols / symbol_rate_hz, snr_ratio(es_n0_db))

    def pair_snr(
        self, es_n0_db: float, symbol_rate_hz: float, turn_rad: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the SNRs at two packets; see the base class."""
        del symbol_rate_hz
        from channel.propagation.picture_fading import flat_pair_snr  # noqa: PLC0415 - only predictions need it

        return flat_pair_snr(self.k_ratio, turn_rad, snr_ratio(es_n0_db))

    def check_against(self, symbol_rate_hz: float) -> None:
        """Check that the channel stands still over a symbol.

        Raises:
            ValueError: the Doppler shift is above 5 % of the symbol rate.
        """
        limit_hz = MAX_DOPPLER_PER_SPACING * symbol_rate_hz
        if self.fading == "continuous" and self.max_doppler_hz > limit_hz:
            raise ValueError(
                f"speed_m_s = {self.speed_m_s:g}: a Doppler shift of {self.max_doppler_hz:.3g} Hz is above "
                f"{limit_hz:.3g} Hz, {MAX_DOPPLER_PER_SPACING:.0%} of the symbol rate: take a lower speed_m_s or a "
                "higher symbol_rate_hz, or fading: independent"
            )


class Rayleigh(BlockFading):
    """Block fading without a line of sight: coefficients CN(0, 1)."""

    kind: Literal["rayleigh"] = "rayleigh"


class Rician(BlockFading):
    """Block fading with a line of sight ``k_factor_db`` dB above the scattered power; the sum has unit mean power."""

    kind: Literal["rician"] = "rician"
    k_factor_db: Annotated[float, Field(ge=-MAX_K_FACTOR_DB, le=MAX_K_FACTOR_DB)]

    @property
    def k_ratio(self) -> float:
        """Line-of-sight power over scattered power."""
        return math.pow(10.0, self.k_factor_db / 10)


class Tdl(OfdmSettings, MovingReceiver):
    """A tapped delay line of TR 38.901, section 7.7.2, under OFDM; ``independent``: one realisation per packet."""

    kind: Literal["tdl"] = "tdl"
    profile: Literal["A", "B", "C", "D", "E"]
    delay_spread_s: Annotated[float, Field(gt=0, le=1e-3)]
    speed_m_s: Annotated[float, Field(ge=0, le=10_000)] = 0.0
    carrier_frequency_hz: CarrierHz
    estimation: Literal["perfect", "ls", "lmmse"] = "lmmse"
    grid: OfdmGrid = OfdmGrid()

    @property
    def k_ratio(self) -> float:
        """Power of the line of sight over the scattered power of all taps."""
        return load_taps(self.profile).k_ratio

    def element_snr(
        self, es_n0_db: float, symbols: int, symbol_rate_hz: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the SNRs of data elements over the resource grid, with the loss by estimation, and probabilities."""
        from channel.propagation.tdl_fading import element_snr  # noqa: PLC0415 - only predictions need it

        return element_snr(self, symbols, symbol_rate_hz, snr_ratio(es_n0_db))

    def pair_snr(
        self, es_n0_db: float, symbol_rate_hz: float, turn_rad: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the SNRs at two packets; see the base class."""
        from channel.propagation.picture_fading import tdl_pair_snr  # noqa: PLC0415 - only predictions need it

        return tdl_pair_snr(self, symbol_rate_hz, snr_ratio(es_n0_db), turn_rad)

    def check_against(self, symbol_rate_hz: float) -> None:
        """Check that there is no interference between symbols, and little between carriers.

        Raises:
            ValueError: the last tap comes after the cyclic prefix, or the Doppler shift is too large for the spacing.
        """
        last_tap_s = LAST_TAP_DELAY[self.profile] * self.delay_spread_s
        if last_tap_s > self.grid.cyclic_prefix / symbol_rate_hz:
            raise ValueError(
                f"delay_spread_s = {self.delay_spread_s:g}: the last tap of TDL-{self.profile} comes after "
                f"{last_tap_s:.3g} s, the cyclic prefix lasts {self.grid.cyclic_prefix / symbol_rate_hz:.3g} s: take a "
                "longer cyclic_prefix or a lower symbol_rate_hz"
            )
        limit_hz = MAX_DOPPLER_PER_SPACING * symbol_rate_hz / self.grid.fft_size
        if self.max_doppler_hz > limit_hz:
            raise ValueError(
                f"speed_m_s = {self.speed_m_s:g}: a Doppler shift of {self.max_doppler_hz:.3g} Hz is above "
                f"{limit_hz:.3g} Hz, {MAX_DOPPLER_PER_SPACING:.0%} of the subcarrier spacing: take a smaller fft_size"
            )
