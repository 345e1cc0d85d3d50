"""Tapped delay lines of TR 38.901 under an OFDM resource grid with pilots, by Sionna's blocks.

One packet fills complete slots of the grid, data first along frequency, then along time. Unused data elements stay
empty and count as channel uses. The channel is one realisation of the tapped delay line per packet, continuous in time
over the packet's slots; packets are independent. Everything runs packet by packet in double precision on the CPU, so
that the result of a packet depends neither on other packets nor on threads.

Sionna models the grid in the frequency domain, without interference between symbols or carriers.
``Tdl.check_against`` refuses settings for which that does not hold. Importing this module imports Sionna, which takes
seconds.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sionna.phy.channel import cir_to_ofdm_channel, subcarrier_frequencies
from sionna.phy.channel.tr38901 import TDL
from sionna.phy.mimo import StreamManagement
from sionna.phy.ofdm import (
    LMMSEChannelEstimator,
    LMMSEEqualizer,
    LSChannelEstimator,
    PilotPattern,
    ResourceGrid,
    ResourceGridMapper,
    tdl_freq_cov_mat,
    tdl_time_cov_mat,
)

from channel.propagation.base import PacketKeys
from channel.rng import Purpose, packet_generator

if TYPE_CHECKING:
    from channel.propagation.kinds import Tdl
    from channel.propagation.tdl_parameters import OfdmGrid

_WHERE: dict[str, Any] = {"precision": "double", "device": "cpu"}
_SMALLEST_VARIANCE = 1e-12  # of an equalised symbol; below it LLRs overflow float32


class KeyedTdl(TDL):  # type: ignore[misc]  # Sionna is untyped
    """Sionna's TDL with its own random generator instead of Sionna's process-wide one.

    Sionna's blocks take their generator from the property ``torch_rng`` (``sionna.phy.Object``), which is overridden
    here. The model's equations and tables are Sionna's.
    """

    def __init__(self, settings: Tdl) -> None:
        super().__init__(
            settings.profile,
            settings.delay_spread_s,
            settings.carrier_frequency_hz,
            min_speed=settings.speed_m_s,
            **_WHERE,
        )
        self._generator = torch.Generator("cpu")
        self._lock = Lock()

    @property
    def torch_rng(self) -> torch.Generator:
        """The generator of all draws."""
        return self._generator

    def draw(self, seed: int, time_steps: int, sampling_frequency_hz: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the path coefficients ``[1, 1, 1, 1, 1, paths, time_steps]`` and delays for ``seed``."""
        with self._lock:
            self._generator.manual_seed(seed)
            coefficients, delays = self(1, time_steps, sampling_frequency_hz)
        return coefficients, delays


def tdl_seed(run_seed: int, picture_index: int, packet_index: int) -> int:
    """Return the 64-bit seed of one packet's tapped delay line."""
    generator = packet_generator(run_seed, picture_index, packet_index, Purpose.FADING)
    return int(generator.integers(2**64, dtype=np.uint64))


def resource_grid(grid: OfdmGrid, subcarrier_spacing_hz: float) -> ResourceGrid:
    """Return Sionna's resource grid of one slot.

    Pilots fill their OFDM symbols and are all (1 + j) / sqrt 2. Sionna's own Kronecker pattern would draw them from its
    process-wide generator. In this model, one stream without peak-power limits, their phases make no difference.
    """
    shape = (1, 1, grid.slot_symbols, grid.effective_carriers)
    mask = np.zeros(shape, dtype=np.int32)
    mask[:, :, list(grid.pilot_symbols)] = 1
    pilots = np.full((1, 1, grid.pilot_elements), (1 + 1j) / np.sqrt(2))
    return ResourceGrid(
        num_ofdm_symbols=grid.slot_symbols,
        fft_size=grid.fft_size,
        subcarrier_spacing=subcarrier_spacing_hz,
        cyclic_prefix_length=grid.cyclic_prefix,
        num_guard_carriers=(grid.guard_carriers_low, grid.guard_carriers_high),
        dc_null=grid.dc_null,
        pilot_pattern=PilotPattern(mask, pilots, **_WHERE),
        **_WHERE,
    )


class OfdmChannel:
    """y = h x + n on every resource element: h is estimated from the pilots, x by LMMSE equalisation.

    LMMSE: linear minimum mean square error. LS: least squares.
    """

    def __init__(self, settings: Tdl, variance: float, symbol_rate_hz: float) -> None:
        self._settings = settings
        self._variance = variance
        self._noise = torch.tensor(variance, dtype=torch.float64)
        self._grid = resource_grid(settings.grid, symbol_rate_hz / settings.grid.fft_size)
        self._tdl = KeyedTdl(settings)
        self._frequencies = subcarrier_frequencies(self._grid.fft_size, self._grid.subcarrier_spacing, **_WHERE)
        self._mapper = ResourceGridMapper(self._grid, **_WHERE)
        self._carriers = torch.from_numpy(self._grid.effective_subcarrier_ind)
        self._estimator = self._pilot_estimator()
        self._equalizer = LMMSEEqualizer(self._grid, StreamManagement(np.ones((1, 1)), 1), **_WHERE)

    def apply(self, symbols: torch.Tensor, keys: PacketKeys) -> tuple[torch.Tensor, torch.Tensor]:
        """See ``channel.propagation.base.ChannelModel``; the variance is that of each symbol after equalisation."""
        sent = symbols.to("cpu", torch.complex128)
        packets = [self._packet(row, keys, index) for row, index in zip(sent, keys.packet_indices, strict=True)]
        equalised = torch.stack([symbols for symbols, _ in packets])
        variances = torch.stack([variance for _, variance in packets])
        return equalised.to(symbols.device, torch.complex64), variances.to(symbols.device, torch.float32)

    def frequency_response(self, slots: int, run_seed: int, picture_index: int, packet_index: int) -> torch.Tensor:
        """Return one packet's channel ``[slots, slot_symbols, fft_size]``, complex128."""
        steps = slots * self._grid.num_ofdm_symbols
        coefficients, delays = self._tdl.draw(
            tdl_seed(run_seed, picture_index, packet_index), steps, 1 / self._grid.ofdm_symbol_duration
        )
        response: torch.Tensor = cir_to_ofdm_channel(self._frequencies, coefficients, delays)
        return response.reshape(slots, self._grid.num_ofdm_symbols, self._grid.fft_size)

    def _packet(self, symbols: torch.Tensor, keys: PacketKeys, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the equalised ``symbols`` ``[symbols]`` of one packet and the variance of each."""
        slots = self._settings.grid.slots(len(symbols))
        data = torch.zeros(slots * self._grid.num_data_symbols, dtype=torch.complex128)
        data[: len(symbols)] = symbols
        elements = self._mapper(data.reshape(slots, 1, 1, -1))[:, 0, 0]
        response = self.frequency_response(slots, keys.run_seed, keys.picture_index, index)
        noise = PacketKeys(keys.run_seed, keys.picture_index, [index]).noise(elements.numel(), self._variance)
        observed = (response * elements + noise.reshape(elements.shape))[:, None, None]
        equalised, variance = self._equalizer(observed, *self._estimate(observed, response), self._noise)
        count = len(symbols)
        return equalised.flatten()[:count], variance.flatten()[:count].clamp(min=_SMALLEST_VARIANCE)

    def _estimate(self, observed: torch.Tensor, response: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the channel ``[slots, 1, 1, 1, 1, slot_symbols, carriers]`` and the variance of its error."""
        if self._estimator is None:
            known = response[:, None, None, None, None][..., self._carriers]
            return known, torch.zeros((), dtype=torch.float64)
        estimate: tuple[torch.Tensor, torch.Tensor] = self._estimator(observed, self._noise)
        return estimate

    def _pilot_estimator(self) -> LSChannelEstimator | LMMSEChannelEstimator | None:
        settings, grid = self._settings, self._grid
        if settings.estimation == "perfect":
            return None
        if settings.estimation == "ls":
            return LSChannelEstimator(grid, interpolation_type="lin", **_WHERE)
        frequency = tdl_freq_cov_mat(
            settings.profile, grid.subcarrier_spacing, grid.fft_size, settings.delay_spread_s, **_WHERE
        )
        time = tdl_time_cov_mat(
            settings.profile,
            settings.speed_m_s,
            settings.carrier_frequency_hz,
            grid.ofdm_symbol_duration,
            grid.num_ofdm_symbols,
            **_WHERE,
        )
        used = frequency[self._carriers][:, self._carriers]
        return LMMSEChannelEstimator(grid, time, used, order="f-t", **_WHERE)
