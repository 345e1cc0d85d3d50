"""Settings of one transmission over the channel."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from channel.checks import Settings
from channel.phy.mcs import Mcs, mcs
from channel.propagation.factory import Propagation  # noqa: TC001 - pydantic reads it
from channel.propagation.impairments import MAX_TIME_S, Impairments
from channel.propagation.kinds import Awgn
from channel.snr import eb_n0_from_es_n0_db, es_n0_from_eb_n0_db
from shared.errors import UnknownNameError
from shared.repair.packet import kinds_of
from shared.streams import StreamKind  # noqa: TC001 - pydantic reads it

LOWEST_SYMBOL_RATE_HZ, HIGHEST_SYMBOL_RATE_HZ = 1.0, 1e12
MAX_SNR_DB = 100.0  # beyond ±100 dB nothing changes but the rounding of float32


def _known_mcs(index: int) -> int:
    try:
        return mcs(index).index
    except UnknownNameError as exc:
        raise ValueError(str(exc)) from None


SnrDb = Annotated[float, Field(ge=-MAX_SNR_DB, le=MAX_SNR_DB)]
McsIndex = Annotated[int, AfterValidator(_known_mcs)]
DelayS = Annotated[float, Field(ge=0, le=1e7)]
SymbolRateHz = Annotated[float, Field(ge=LOWEST_SYMBOL_RATE_HZ, le=HIGHEST_SYMBOL_RATE_HZ)]


class LinkSettings(Settings):
    """Settings that a channel profile and a channel configuration share.

    ``snr_kind`` says whether the SNR is Es/N0 per complex symbol or Eb/N0 per information bit; under fading it is the
    mean SNR. ``short_packet_code`` is the code of the shortest packets (``channel.phy.mcs.prefers_polar``); all others
    use LDPC. A packet that has not arrived ``lifetime_s`` seconds after its departure expires; None: never.
    ``transmit_power_w`` is used for the accounting only.
    """

    snr_kind: Literal["esn0", "ebn0"] = "esn0"
    short_packet_code: Literal["ldpc", "polar"] = "ldpc"
    propagation: Propagation = Awgn()
    erasure_rate: Annotated[float, Field(ge=0, le=1)] = 0.0
    impairments: Impairments = Impairments()
    lifetime_s: Annotated[float, Field(gt=0, le=MAX_TIME_S)] | None = None
    transmit_power_w: Annotated[float, Field(gt=0, le=1e12)] | None = None
    max_bp_iterations: Annotated[int, Field(ge=1, le=200)] = 20


class ChannelConfig(LinkSettings):
    """The channel of one transmission, all values resolved.

    The noise, fading and losses of a packet depend on ``run_seed``, the picture's index and the packet's index alone.
    ``batch_size`` (most packets decoded at once) and ``device`` change the speed only. ``stream_mcs`` holds the stream
    kinds that use another MCS than ``mcs``. Build it with ``shared.validation.checked``: settings outside their rules
    then raise a one-line ``ConfigError`` instead of pydantic's report.
    """

    snr_db: SnrDb
    mcs: McsIndex
    symbol_rate_hz: SymbolRateHz = 1e6
    stream_mcs: dict[StreamKind, McsIndex] = Field(default_factory=dict)
    propagation_delay_s: DelayS = 0.0
    time_scale: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    run_seed: Annotated[int, Field(ge=0, lt=2**64)] = 0
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 256
    device: Annotated[str, Field(pattern=r"^(cpu|cuda:\d{1,3})$")] = "cpu"

    @model_validator(mode="after")
    def _propagation_fits_the_symbol_rate(self) -> Self:
        self.propagation.check_against(self.symbol_rate_hz)
        return self

    @property
    def scheme(self) -> Mcs:
        """The row of the MCS table."""
        return mcs(self.mcs)

    def stream_scheme(self, kind: StreamKind) -> Mcs:
        """Return the scheme of the packets of one stream kind."""
        return mcs(self.stream_mcs.get(kind, self.mcs))

    def scheme_of(self, packet: bytes) -> Mcs:
        """Return the scheme of one packet: that of its stream; for a repair packet the most robust of its streams."""
        if not self.stream_mcs:
            return self.scheme
        schemes = [self.stream_scheme(kind) for kind in kinds_of(packet)] or [self.scheme]
        return min(schemes, key=lambda scheme: scheme.spectral_efficiency)

    @property
    def es_n0_db(self) -> float:
        """Es/N0 in dB: energy per complex symbol over noise density."""
        if self.snr_kind == "esn0":
            return self.snr_db
        return es_n0_from_eb_n0_db(self.snr_db, self.scheme.spectral_efficiency)

    @property
    def eb_n0_db(self) -> float:
        """Eb/N0 in dB: energy per information bit over noise density, at the scheme's nominal rate."""
        if self.snr_kind == "ebn0":
            return self.snr_db
        return eb_n0_from_es_n0_db(self.snr_db, self.scheme.spectral_efficiency)

    @property
    def eb_n0_on_air_db(self) -> float:
        """Eb/N0 in dB with the energy of everything on air: pilots and cyclic prefixes too."""
        return self.eb_n0_db + 10 * math.log10(self.propagation.energy_per_symbol)
