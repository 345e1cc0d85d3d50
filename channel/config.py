"""Settings of the channel, and the two ways to state its signal-to-noise ratio."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from channel.phy.mcs import Mcs, mcs
from channel.propagation.impairments import MAX_TIME_S, Impairments
from channel.propagation.kinds import Awgn, Propagation
from shared.errors import UnknownNameError
from shared.repair.packet import kinds_of
from shared.streams import StreamKind  # noqa: TC001 - pydantic reads it

MAX_SNR_DB = 100.0  # beyond ±100 dB nothing changes but the rounding of float32


def _known_mcs(index: int) -> int:
    try:
        return mcs(index).index
    except UnknownNameError as exc:
        raise ValueError(str(exc)) from None


SnrDb = Annotated[float, Field(ge=-MAX_SNR_DB, le=MAX_SNR_DB)]
McsIndex = Annotated[int, AfterValidator(_known_mcs)]
DelayS = Annotated[float, Field(ge=0, le=1e7)]


class LinkSettings(BaseModel):
    """What a profile and the configuration that comes of it have in common.

    ``snr_kind`` says whether the SNR is Es/N0 per complex symbol or Eb/N0 per information bit; under fading it is the
    mean over the fading. ``short_packet_code`` is the code of packets for which ``channel.phy.mcs.polar_pays``; all others
    take LDPC. A packet that has not arrived ``lifetime_s`` seconds after its departure expires, None: never.
    ``transmit_power_w`` is for the accounting only.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    snr_kind: Literal["esn0", "ebn0"] = "esn0"
    short_packet_code: Literal["ldpc", "polar"] = "ldpc"
    propagation: Propagation = Awgn()
    symbol_rate_hz: Annotated[float, Field(ge=1, le=1e12)] = 1e6
    erasure_rate: Annotated[float, Field(ge=0, le=1)] = 0.0
    impairments: Impairments = Impairments()
    lifetime_s: Annotated[float, Field(gt=0, le=MAX_TIME_S)] | None = None
    transmit_power_w: Annotated[float, Field(gt=0, le=1e12)] | None = None
    max_bp_iterations: Annotated[int, Field(ge=1, le=200)] = 20

    @model_validator(mode="after")
    def _propagation_fits_the_symbol_rate(self) -> Self:
        self.propagation.check_against(self.symbol_rate_hz)
        return self


class ChannelConfig(LinkSettings):
    """What one transmission meets on its way.

    A packet's noise, fading and losses follow from ``run_seed``, its picture's index and its own index, and from
    nothing else: ``batch_size`` (most packets decoded at once) and ``device`` change the speed only. ``stream_mcs``
    holds the kinds of stream that do not take ``mcs``. Build it with ``shared.validation.checked`` to get a
    ``ConfigError`` instead of pydantic's report.
    """

    snr_db: SnrDb
    mcs: McsIndex
    stream_mcs: dict[StreamKind, McsIndex] = {}
    propagation_delay_s: DelayS = 0.0
    time_scale: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    run_seed: Annotated[int, Field(ge=0, lt=2**64)] = 0
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 256
    device: Annotated[str, Field(pattern=r"^(cpu|cuda:\d{1,3})$")] = "cpu"

    @property
    def scheme(self) -> Mcs:
        """The row of the MCS table."""
        return mcs(self.mcs)

    def scheme_of(self, packet: bytes) -> Mcs:
        """Return the scheme of one packet: that of its stream; a repair packet goes as safely as what it repairs."""
        if not self.stream_mcs:
            return self.scheme
        indices = {self.stream_mcs.get(kind, self.mcs) for kind in kinds_of(packet)} or {self.mcs}
        return min(map(mcs, indices), key=lambda scheme: scheme.spectral_efficiency)

    @property
    def es_n0_db(self) -> float:
        """Es/N0 in dB: energy per complex symbol over noise density."""
        return self.snr_db if self.snr_kind == "esn0" else es_n0_db(self.snr_db, self.scheme)

    @property
    def eb_n0_db(self) -> float:
        """Eb/N0 in dB: energy per information bit over noise density, at the scheme's nominal rate."""
        return self.snr_db if self.snr_kind == "ebn0" else eb_n0_db(self.snr_db, self.scheme)


def es_n0_db(eb_n0_db: float, scheme: Mcs) -> float:
    """Return Es/N0 = Eb/N0 + 10 log10(Qm · R), in dB."""
    return eb_n0_db + 10 * math.log10(scheme.spectral_efficiency)


def eb_n0_db(es_n0_db: float, scheme: Mcs) -> float:
    """Return Eb/N0 = Es/N0 - 10 log10(Qm · R), in dB."""
    return es_n0_db - 10 * math.log10(scheme.spectral_efficiency)


def noise_variance(es_n0_db: float) -> float:
    """Return N0, the noise variance per complex symbol of unit energy (N0 / 2 per real dimension)."""
    return math.pow(10.0, -es_n0_db / 10)
