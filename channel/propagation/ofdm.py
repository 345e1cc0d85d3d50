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
from sionna.phy.channel.tr38901 import TDL

from channel.propagation.tdl_statistics import carrier_frequencies_hz, pilot_filter, symbol_s
from channel.rng import Purpose, draw_noise, packet_generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from channel.propagation.base import PacketKeys
    from channel.propagation.kinds import Tdl

_WHERE: dict[str, Any] = {"precision": "double", "device": "cpu"}
_PILOT = (1 + 1j) / np.sqrt(2)
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


class OfdmChannel:
    """y = h x + n on every resource element: h is estimated from the pilots, and x is y / h.

    Pilots are all (1 + j) / sqrt 2: in this model, one stream without peak-power limits, their phases make no
    difference. With one antenna, unbiased equalisation by the least mean square error is division by the estimate; the
    error of the estimate counts as noise.
    """

    def __init__(self, settings: Tdl, variance: float, symbol_rate_hz: float) -> None:
        grid = settings.grid
        self._grid = grid
        self._variance = variance
        self._symbol_s = symbol_s(settings, symbol_rate_hz)
        self._tdl = KeyedTdl(settings)
        self._frequencies_hz = carrier_frequencies_hz(settings, symbol_rate_hz)
        self._filter = pilot_filter(settings, symbol_rate_hz, variance)
        self._pilots = list(grid.pilot_symbols)
        self._data = np.setdiff1d(np.arange(grid.slot_symbols), self._pilots)

    def apply(self, symbols: torch.Tensor, keys: PacketKeys) -> tuple[torch.Tensor, torch.Tensor]:
        """See ``channel.propagation.base.ChannelModel``; the variance is that of each symbol after equalisation."""
        sent = symbols.cpu().numpy().astype(np.complex128)
        packets = [self._packet(row, keys, index) for row, index in zip(sent, keys.packet_indices, strict=True)]
        equalised = np.stack([symbols for symbols, _ in packets]).astype(np.complex64)
        variances = np.stack([variance for _, variance in packets]).astype(np.float32)
        return torch.from_numpy(equalised).to(symbols.device), torch.from_numpy(variances).to(symbols.device)

    def frequency_response(
        self, slots: int, run_seed: int, picture_index: int, packet_index: int
    ) -> NDArray[np.complex128]:
        """Return one packet's channel ``[slots, slot_symbols, carriers]`` on the used carriers."""
        steps = slots * self._grid.slot_symbols
        coefficients, delays = self._tdl.draw(
            tdl_seed(run_seed, picture_index, packet_index), steps, 1 / self._symbol_s
        )
        turned = np.exp(-2j * np.pi * np.outer(delays.numpy().ravel(), self._frequencies_hz))
        response = coefficients.numpy().reshape(-1, steps).T @ turned
        return response.reshape(slots, self._grid.slot_symbols, -1)

    def _packet(
        self, symbols: NDArray[np.complex128], keys: PacketKeys, index: int
    ) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
        """Return the equalised ``symbols`` ``[symbols]`` of one packet and the variance of each."""
        grid, count = self._grid, len(symbols)
        slots = grid.slots(count)
        data = np.zeros(slots * grid.data_elements, dtype=np.complex128)
        data[:count] = symbols
        elements = np.full((slots, grid.slot_symbols, grid.effective_carriers), _PILOT)
        elements[:, self._data] = data.reshape(slots, len(self._data), -1)
        response = self.frequency_response(slots, keys.run_seed, keys.picture_index, index)
        noise = draw_noise(keys.run_seed, keys.picture_index, [index], elements.size, self._variance)
        observed = response * elements + noise.reshape(elements.shape)
        known, error = self._estimate(observed, response)
        equalised = (observed[:, self._data] / known[:, self._data]).ravel()[:count]
        variance = ((self._variance + error) / np.abs(known) ** 2)[:, self._data].ravel()[:count]
        return equalised, np.maximum(variance, _SMALLEST_VARIANCE)

    def _estimate(
        self, observed: NDArray[np.complex128], response: NDArray[np.complex128]
    ) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
        """Return the channel ``[slots, slot_symbols, carriers]`` that the receiver assumes and its error variance."""
        if self._filter is None:
            return response, np.zeros(response.shape[1:])
        return self._filter.estimate(observed[:, self._pilots] / _PILOT), self._filter.error
