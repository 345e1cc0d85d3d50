"""A channel whose SNR or gain over time stands in a file: one value per packet, taken when the packet leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from channel.propagation.data_file import read_columns
from channel.propagation.file_settings import FILE_FIELD, FileSettings
from channel.snr import snr_ratio
from shared.errors import ConfigError
from shared.validation import short_repr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_MAX_DB: Final = 100.0
_PREDICTION_POINTS: Final = 1000


@dataclass(frozen=True, slots=True)
class Trace:
    """Values over time: ``time_s`` and ``level_db`` ``[rows]``; ``is_snr``: Es/N0 in dB, else gain over the mean."""

    time_s: NDArray[np.float64]
    level_db: NDArray[np.float64]
    is_snr: bool

    @property
    def mean_db(self) -> float:
        """The mean over time of the ratios, in dB; the trace is linear in dB between its rows."""
        if len(self.time_s) == 1:
            return float(self.level_db[0])
        grid_s = np.linspace(self.time_s[0], self.time_s[-1], max(_PREDICTION_POINTS, 2 * len(self.time_s)))
        return float(10 * np.log10(np.mean(10 ** (np.interp(grid_s, self.time_s, self.level_db) / 10))))


class TraceSettings(FileSettings):
    """White Gaussian noise with the SNR or the gain of a file, CSV or Parquet.

    The file has the columns ``time_s``, seconds after the start of the picture, and either ``snr_db``, Es/N0, or
    ``gain_db``, which is added to the channel's SNR. Between rows the value is linear in dB. A packet has the value at
    its departure. ``repeat``: the trace starts again after its last row; without it a packet that leaves later is
    refused.
    """

    kind: Literal["trace"] = "trace"
    repeat: bool = False

    @classmethod
    def check_file(cls, path: str, sha256: str) -> None:
        """Check the file; see the base class."""
        load_trace(path, sha256)

    @property
    def mean_snr_db(self) -> float | None:
        """The mean Es/N0 over the trace in dB; None if the trace holds gains."""
        trace = load_trace(self.file, self.sha256)
        return trace.mean_db if trace.is_snr else None

    def gains_db(self, times_s: Sequence[float]) -> NDArray[np.float64]:
        """Return the gain over the channel's SNR in dB at each of ``times_s``.

        Raises:
            ConfigError: a time is outside the trace, and the trace does not repeat.
        """
        trace = load_trace(self.file, self.sha256)
        times = np.asarray(times_s, dtype=np.float64)
        first, last = trace.time_s[0], trace.time_s[-1]
        if self.repeat and last > first:
            times = first + (times - first) % (last - first)
        outside = (times < first) | (times > last)
        if not self.repeat and outside.any():
            raise ConfigError(
                f"{FILE_FIELD} = {short_repr(self.file)}: a packet leaves at {times[outside][0]:g} s, but the trace "
                f"covers {first:g} to {last:g} s: give a longer trace, or propagation.repeat: true"
            )
        levels = np.interp(times, trace.time_s, trace.level_db)
        return levels - trace.mean_db if trace.is_snr else levels

    def element_snr(
        self, es_n0_db: float, symbols: int, symbol_rate_hz: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the SNRs of packets that leave at equally likely moments of the trace ``[draws, 1]``."""
        del symbols, symbol_rate_hz
        trace = load_trace(self.file, self.sha256)
        gains_db = self.gains_db(np.linspace(trace.time_s[0], trace.time_s[-1], _PREDICTION_POINTS).tolist())
        snrs = snr_ratio(es_n0_db) * 10 ** (gains_db[:, None] / 10)
        return snrs, np.full(_PREDICTION_POINTS, 1 / _PREDICTION_POINTS)


def load_trace(path: str, sha256: str) -> Trace:
    """Return the trace in a file.

    Raises:
        ConfigError: the file cannot be read, its columns are not those of a trace, times do not rise, or a level is
            outside ±100 dB.
        SetupError: it is Parquet, and pyarrow is not installed.
    """
    what = f"{FILE_FIELD} = {short_repr(path)}"
    columns = read_columns(FILE_FIELD, path, sha256)
    levels = [name for name in ("snr_db", "gain_db") if name in columns]
    if "time_s" not in columns or len(levels) != 1 or len(columns) != 2:
        raise ConfigError(f"{what}: its columns must be time_s and snr_db, or time_s and gain_db")
    time_s, level_db = columns["time_s"], columns[levels[0]]
    if np.any(np.diff(time_s) <= 0):
        raise ConfigError(f"{what}: time_s must rise; row {int(np.argmax(np.diff(time_s) <= 0)) + 2} does not")
    if np.any(np.abs(level_db) > _MAX_DB):
        row = int(np.argmax(np.abs(level_db) > _MAX_DB)) + 1
        raise ConfigError(f"{what}: row {row} of {levels[0]} must be from {-_MAX_DB:g} to {_MAX_DB:g} dB")
    return Trace(time_s, level_db, levels[0] == "snr_db")
