"""Tapped delay lines of TR 38.901 under an OFDM resource grid with pilots.

One packet fills complete slots of the grid, data first along frequency, then along time. Unused data elements stay
empty and count as channel uses. The taps fade on through a picture, or each packet has its own realisation, continuous
in time over its slots. Everything runs packet by packet in double precision on the CPU, so that the result of a packet
depends neither on its batch nor on threads.

The grid is modelled in the frequency domain, without interference between symbols or carriers.
``Tdl.check_against`` refuses settings for which that does not hold. Importing this module imports torch, which takes
seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from channel.propagation.doppler import draw_paths, line_of_sight
from channel.propagation.tdl_statistics import carrier_frequencies_hz, pilot_filter, symbol_s
from channel.propagation.tdl_taps import load_taps
from channel.rng import draw_noise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from channel.propagation.base import PacketKeys
    from channel.propagation.kinds import Tdl

_PILOT = (1 + 1j) / np.sqrt(2)
_SMALLEST_VARIANCE = 1e-12  # of an equalised symbol; below it LLRs overflow float32


class OfdmChannel:
    """y = h x + n on every resource element: h is estimated from the pilots, and x is y / h.

    Pilots are all (1 + j) / sqrt 2: in this model, one stream without peak-power limits, their phases make no
    difference. With one antenna, unbiased equalisation by the least mean square error is division by the estimate; the
    error of the estimate counts as noise.
    """

    def __init__(self, settings: Tdl, variance: float, symbol_rate_hz: float) -> None:
        grid = settings.grid
        self._settings, self._grid = settings, grid
        self._variance = variance
        self._symbol_s = symbol_s(settings, symbol_rate_hz)
        self._taps = load_taps(settings.profile)
        delays_s = self._taps.delays * settings.delay_spread_s
        self._turned = np.exp(-2j * np.pi * np.outer(delays_s, carrier_frequencies_hz(settings, symbol_rate_hz)))
        self._filter = pilot_filter(settings, symbol_rate_hz, variance)
        self._pilots = list(grid.pilot_symbols)
        self._data = np.setdiff1d(np.arange(grid.slot_symbols), self._pilots)

    def apply(self, symbols: torch.Tensor, keys: PacketKeys) -> tuple[torch.Tensor, torch.Tensor]:
        """See ``channel.propagation.base.ChannelModel``; the variance is that of each symbol after equalisation."""
        sent = symbols.cpu().numpy().astype(np.complex128)
        packets = [self._packet(row, keys, position) for position, row in enumerate(sent)]
        equalised = np.stack([symbols for symbols, _ in packets]).astype(np.complex64)
        variances = np.stack([variance for _, variance in packets]).astype(np.float32)
        return torch.from_numpy(equalised).to(symbols.device), torch.from_numpy(variances).to(symbols.device)

    def frequency_response(self, slots: int, keys: PacketKeys, position: int) -> NDArray[np.complex128]:
        """Return the channel ``[slots, slot_symbols, carriers]`` of the packet at ``position`` on the used carriers."""
        doppler_hz, shared = self._settings.max_doppler_hz, self._settings.fading == "continuous"
        index = None if shared else keys.packet_indices[position]
        paths = draw_paths(keys.run_seed, keys.picture_index, index, doppler_hz, self._taps.powers)
        seconds = self._symbol_s * np.arange(slots * self._grid.slot_symbols, dtype=np.float64)
        if shared:
            seconds += keys.departures_s[position]
        response = paths.at(seconds) @ self._turned
        response += line_of_sight(self._taps.line_of_sight_power, doppler_hz, seconds)[:, None]
        return np.asarray(response.reshape(slots, self._grid.slot_symbols, -1))

    def _packet(
        self, symbols: NDArray[np.complex128], keys: PacketKeys, position: int
    ) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
        """Return the equalised ``symbols`` ``[symbols]`` of one packet and the variance of each."""
        grid, count = self._grid, len(symbols)
        slots = grid.slots(count)
        data = np.zeros(slots * grid.data_elements, dtype=np.complex128)
        data[:count] = symbols
        elements = np.full((slots, grid.slot_symbols, grid.effective_carriers), _PILOT)
        elements[:, self._data] = data.reshape(slots, len(self._data), -1)
        response = self.frequency_response(slots, keys, position)
        index = keys.packet_indices[position]
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
