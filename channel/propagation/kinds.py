"""Settings of what happens between transmitter and receiver: AWGN, block fading, or a tapped delay line under OFDM.

``kind`` says which; every kind has unit mean power, so ``snr_db`` of the channel is always the mean SNR.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SerializeAsAny, model_validator

from channel.profile.plugins import PROPAGATIONS, named, plugin, plugin_names
from shared.errors import ConfigError, SetupError, UnknownNameError
from shared.validation import checked, short_repr

if TYPE_CHECKING:
    from channel.propagation.flat import Medium

SPEED_OF_LIGHT_M_S = 299_792_458.0
MAX_DOPPLER_PER_SPACING = 0.05  # interference between carriers then stays below -23.8 dB, see docs/radio.md
# Largest tap delay over the delay spread: TR 38.901 V19.2.0, tables 7.7.2-1 to 7.7.2-5.
LAST_TAP = {"A": 9.6586, "B": 4.7834, "C": 8.6523, "D": 12.525, "E": 20.6519}
FIRST_TAP_K_DB = {"D": 13.3, "E": 22.0}  # K of the first tap, in dB: the same tables 7.7.2-4 and 7.7.2-5
MAX_K_FACTOR_DB = 100.0  # at which the scattered part is lost in the rounding of float32


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class PropagationSettings(_Settings, ABC):
    """One kind of propagation: its parameters, and how to build it. Third parties derive theirs from this class.

    ``kind`` is the name under which a profile asks for it. As it stands, every symbol is one channel use.
    """

    kind: str

    @abstractmethod
    def medium(self, variance: float, symbol_rate_hz: float) -> Medium:
        """Return the medium, with noise of ``variance`` per complex symbol; heavy imports belong here."""

    def channel_uses(self, symbols: int) -> int:
        """Return the channel uses of a packet of ``symbols`` symbols."""
        return symbols

    def pilot_uses(self, symbols: int) -> int:
        """Return how many of these channel uses are known to the receiver."""
        del symbols
        return 0

    @property
    def k_ratio(self) -> float:
        """Power of the line of sight over the scattered power: 0 where it is not known, infinite without fading.

        ``channel.link.loss_model`` goes by it and by ``fades``.
        """
        return 0.0

    def fades(self, symbols: int) -> float:
        """Return how many independent fades a packet of ``symbols`` symbols meets, a last shorter one as a fraction."""
        del symbols
        return 1.0

    def check_against(self, symbol_rate_hz: float) -> None:
        """Raise ``ValueError``, naming a field and the way out, where the model does not hold at this symbol rate."""


class Awgn(PropagationSettings):
    """White Gaussian noise and nothing else."""

    kind: Literal["awgn"] = "awgn"

    @property
    def k_ratio(self) -> float:
        """Infinite: there is no fading."""
        return math.inf

    def medium(self, variance: float, symbol_rate_hz: float) -> Medium:
        """Return y = x + n."""
        del symbol_rate_hz
        from channel.propagation.flat import AwgnMedium  # noqa: PLC0415 - imports torch

        return AwgnMedium(variance)


class _BlockFading(PropagationSettings):
    """One complex coefficient per coherence block of ``coherence_symbols`` symbols, or per packet if that is None.

    Blocks start with the packet; the coefficients of different blocks and packets are independent.
    """

    coherence_symbols: Annotated[int, Field(ge=1)] | None = None

    def fades(self, symbols: int) -> float:
        """Return the coherence blocks of a packet of ``symbols`` symbols; a shorter one still meets one."""
        return max(1.0, symbols / (self.coherence_symbols or max(symbols, 1)))

    def medium(self, variance: float, symbol_rate_hz: float) -> Medium:
        """Return y = h x + n."""
        del symbol_rate_hz
        from channel.propagation.flat import BlockFadingMedium  # noqa: PLC0415 - imports torch

        return BlockFadingMedium(variance, self.coherence_symbols, self.k_ratio)


class Rayleigh(_BlockFading):
    """Block fading with coefficients CN(0, 1)."""

    kind: Literal["rayleigh"] = "rayleigh"


class Rician(_BlockFading):
    """Block fading with a line of sight ``k_factor_db`` dB above the scattered power; the sum has unit mean power."""

    kind: Literal["rician"] = "rician"
    k_factor_db: Annotated[float, Field(ge=-MAX_K_FACTOR_DB, le=MAX_K_FACTOR_DB)]

    @property
    def k_ratio(self) -> float:
        """Power of the line of sight over the scattered power."""
        return math.pow(10.0, self.k_factor_db / 10)


class OfdmGrid(_Settings):
    """One slot of the resource grid: ``slot_symbols`` OFDM symbols of ``fft_size`` subcarriers.

    The subcarrier spacing is the channel's symbol rate over ``fft_size``. OFDM symbols in ``pilot_symbols`` carry
    pilots on every used carrier, the others data. Guard carriers and the DC carrier are empty; ``cyclic_prefix``
    samples go before each OFDM symbol.
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
        """Complex samples on air in a slot: data, pilots, guard and DC carriers, cyclic prefixes."""
        return self.slot_symbols * (self.fft_size + self.cyclic_prefix)

    def slots(self, symbols: int) -> int:
        """Return the slots that ``symbols`` data symbols take."""
        return -(-symbols // self.data_elements)

    @model_validator(mode="after")
    def _holds_data_and_pilots(self) -> Self:
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


class Tdl(PropagationSettings):
    """A tapped delay line of TR 38.901, section 7.7.2, under OFDM; one realisation per packet."""

    kind: Literal["tdl"] = "tdl"
    profile: Literal["A", "B", "C", "D", "E"]
    delay_spread_s: Annotated[float, Field(gt=0, le=1e-3)]
    speed_m_s: Annotated[float, Field(ge=0, le=10_000)] = 0.0
    carrier_frequency_hz: Annotated[float, Field(ge=0.5e9, le=100e9)]  # the range of TR 38.901
    estimation: Literal["perfect", "ls", "lmmse"] = "lmmse"
    grid: OfdmGrid = OfdmGrid()

    @property
    def k_ratio(self) -> float:
        """That of the first tap."""
        return math.pow(10.0, FIRST_TAP_K_DB[self.profile] / 10) if self.profile in FIRST_TAP_K_DB else 0.0

    @property
    def max_doppler_hz(self) -> float:
        """Largest Doppler shift f_D = v / c · f_c."""
        return self.speed_m_s / SPEED_OF_LIGHT_M_S * self.carrier_frequency_hz

    def channel_uses(self, symbols: int) -> int:
        """Return the channel uses of a packet of ``symbols`` symbols: whole slots, with all that is not data."""
        return self.grid.slots(symbols) * self.grid.slot_channel_uses

    def pilot_uses(self, symbols: int) -> int:
        """Return the pilots of these slots."""
        return self.grid.slots(symbols) * self.grid.pilot_elements

    def medium(self, variance: float, symbol_rate_hz: float) -> Medium:
        """Return y = H x + n under OFDM."""
        from channel.propagation.ofdm import OfdmMedium  # noqa: PLC0415 - imports Sionna, seconds

        return OfdmMedium(self, variance, symbol_rate_hz)

    def check_against(self, symbol_rate_hz: float) -> None:
        """Check that there is no interference between symbols, and little between carriers.

        Raises:
            ValueError: the last tap outlasts the cyclic prefix, or the Doppler shift is too large for the spacing.
        """
        last_tap_s = LAST_TAP[self.profile] * self.delay_spread_s
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


_KINDS: Final[dict[str, type[PropagationSettings]]] = {"awgn": Awgn, "rayleigh": Rayleigh, "rician": Rician, "tdl": Tdl}


def _of_kind(value: Any) -> Any:
    """Return the settings that a mapping with a ``kind`` holds.

    Raises:
        UnknownNameError: no such kind.
        ConfigError: a parameter outside its rule.
        SetupError: the kind's package is broken.
    """
    if isinstance(value, PropagationSettings):
        return value
    if not isinstance(value, dict):
        raise ConfigError(f"propagation = {short_repr(value)}: give a mapping with a kind, as {{kind: awgn}}")
    kind = value.get("kind")
    model = _KINDS.get(kind) or plugin(PROPAGATIONS, kind) if isinstance(kind, str) else None
    if model is None:
        known = ", ".join([*_KINDS, *plugin_names(PROPAGATIONS)])
        raise UnknownNameError(f"propagation.kind = {short_repr(kind)}: must be one of {known}")
    if not (isinstance(model, type) and issubclass(model, PropagationSettings)):
        raise SetupError(f"{named(PROPAGATIONS, str(kind))} is no subclass of channel.propagation.PropagationSettings")
    return checked(model, value, "propagation")


Propagation = Annotated[SerializeAsAny[PropagationSettings], BeforeValidator(_of_kind)]
