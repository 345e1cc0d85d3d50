"""Settings of a channel whose impulse response stands in a file, under OFDM; the receiver has it exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from channel.propagation.data_file import read_columns
from channel.propagation.file_settings import FILE_FIELD, FileSettings
from channel.propagation.ofdm_settings import OfdmSettings
from channel.snr import snr_ratio
from shared.errors import ConfigError
from shared.validation import short_repr

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST_PRODUCTS: Final = 2**23  # of rows and carriers: 134 MB
_COLUMNS: Final = ("delay_s", "real", "imag")


class ImpulseSettings(OfdmSettings, FileSettings):
    """y = H x + n on the used carriers of an OFDM grid, H from the taps in a file; the receiver knows H and N0.

    The file, CSV or Parquet, has the columns ``delay_s``, ``real`` and ``imag``, one row per tap, and for a channel
    that changes ``time_s``, seconds after the start of the picture: rows of one time are one response, which holds
    until the next. A packet has the response of its departure. The taps are scaled to a mean power of 1, so that the
    channel's SNR is the mean SNR.
    """

    kind: Literal["impulse"] = "impulse"

    @classmethod
    def check_file(cls, path: str, sha256: str) -> None:
        """Check the file; see the base class."""
        load_responses(path, sha256)

    def carriers(self, symbol_rate_hz: float) -> NDArray[np.complex128]:
        """Return H on the used carriers of every response ``[responses, carriers]``."""
        times_s, delays_s, taps, owners = load_responses(self.file, self.sha256)
        grid = self.grid
        indices = np.arange(grid.guard_carriers_low, grid.fft_size - grid.guard_carriers_high)
        offsets = indices - grid.fft_size // 2
        offsets = offsets[offsets != 0] if grid.dc_null else offsets
        waves = np.exp(-2j * np.pi * symbol_rate_hz / grid.fft_size * np.outer(delays_s, offsets))
        responses = np.zeros((len(times_s), len(offsets)), dtype=np.complex128)
        np.add.at(responses, owners, taps[:, None] * waves)
        return responses

    def find_response(self, departure_s: float) -> int:
        """Return the index of the response at a packet's departure; the first one also before its time."""
        times_s = load_responses(self.file, self.sha256)[0]
        return max(0, int(np.searchsorted(times_s, departure_s, side="right")) - 1)

    def element_snr(
        self, es_n0_db: float, symbols: int, symbol_rate_hz: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the SNRs on the used carriers, each response as likely as any other."""
        del symbols
        responses = self.carriers(symbol_rate_hz)
        snrs = snr_ratio(es_n0_db) * np.maximum(np.abs(responses) ** 2, 1e-30)
        return snrs, np.full(len(responses), 1 / len(responses))

    def check_against(self, symbol_rate_hz: float) -> None:
        """Check that no tap comes after the cyclic prefix, and that the file and the grid fit the memory.

        Raises:
            ValueError: a tap does, or rows times carriers are more than 2^23.
        """
        delays_s = load_responses(self.file, self.sha256)[1]
        if len(delays_s) * self.grid.effective_carriers > _MOST_PRODUCTS:
            raise ValueError(
                f"file = {short_repr(self.file)}: {len(delays_s)} rows on {self.grid.effective_carriers} carriers: "
                f"give at most {_MOST_PRODUCTS // self.grid.effective_carriers} rows"
            )
        last_s = float(delays_s.max())
        if last_s > self.grid.cyclic_prefix / symbol_rate_hz:
            raise ValueError(
                f"file = {short_repr(self.file)}: its last tap comes after {last_s:.3g} s, the cyclic prefix lasts "
                f"{self.grid.cyclic_prefix / symbol_rate_hz:.3g} s: take a longer cyclic_prefix or a lower "
                "symbol_rate_hz"
            )


def load_responses(
    path: str, sha256: str
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.complex128], NDArray[np.intp]]:
    """Return the times ``[responses]``, and of each tap ``[taps]`` its delay, its scaled value and its response.

    Raises:
        ConfigError: the file cannot be read, its columns are not those of taps, times fall, a delay is negative, or
            the taps have no power.
        SetupError: it is Parquet, and pyarrow is not installed.
    """
    what = f"{FILE_FIELD} = {short_repr(path)}"
    columns = dict(read_columns(FILE_FIELD, path, sha256))
    times_s = columns.pop("time_s", None)
    if set(columns) != set(_COLUMNS):
        raise ConfigError(f"{what}: its columns must be delay_s, real and imag, with or without time_s")
    delays_s, taps = columns["delay_s"], columns["real"] + 1j * columns["imag"]
    if times_s is None:
        times_s = np.zeros(len(taps))
    if np.any(np.diff(times_s) < 0) or np.any(delays_s < 0):
        raise ConfigError(f"{what}: time_s must not fall from row to row, and delay_s must not be negative")
    moments_s, owners = np.unique(times_s, return_inverse=True)
    power = float(np.sum(np.abs(taps) ** 2)) / len(moments_s)
    if not 1e-60 < power < 1e60:
        raise ConfigError(f"{what}: the taps have no power, or too much")
    return moments_s, delays_s, taps / np.sqrt(power), owners
