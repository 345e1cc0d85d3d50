"""Channel profiles: the settings of a channel as a YAML document, checked by pydantic; see ``docs/profiles.md``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from channel.checks import Settings
from channel.config import (
    HIGHEST_SYMBOL_RATE_HZ,
    LOWEST_SYMBOL_RATE_HZ,
    MAX_SNR_DB,
    ChannelConfig,
    DelayS,
    LinkSettings,
    McsIndex,
    SnrDb,
)
from channel.constants import SPEED_OF_LIGHT_M_S
from channel.deep_space.contact import add_window_end, compute_budget, find_contact
from channel.deep_space.settings import DeepSpace  # noqa: TC001 - pydantic reads it
from channel.phy.mcs import mcs
from channel.phy.mcs_selection import DEFAULT_MARGIN_DB, TARGET_BLERS, fastest_mcs, load_thresholds
from channel.propagation.kinds import Awgn, Rician
from shared.errors import ConfigError, UnknownNameError
from shared.repair.encoder import MAX_OVERHEAD
from shared.streams import StreamKind
from shared.validation import validate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from channel.deep_space.contact import Contact
    from channel.deep_space.link_budget import LinkBudget
    from channel.deep_space.scintillation import Scintillation

Overhead = Annotated[float, Field(ge=0, le=MAX_OVERHEAD)]
_NO_PARAMETERS: Final[Any] = {"summary": True, "deep_space": {"budget": {"symbol_rate_hz", "data_rate_bps"}}}
AUTO: Final = "auto"
"""Setting for a value that is selected: the fastest MCS for the SNR, the highest symbol rate of a deep-space link."""
HIGHEST_AUTO_RATE_HZ: Final = 1e6


def _check_mcs_or_auto(value: Any) -> Any:
    if value == AUTO:
        return value
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("must be a row of the MCS table, or auto")  # noqa: TRY004 - for pydantic
    try:
        return mcs(value).index
    except UnknownNameError as error:
        raise ValueError(f"{error}, or auto") from None


def _check_symbol_rate_or_auto(value: Any) -> Any:
    if value == AUTO:
        return value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (is_number and LOWEST_SYMBOL_RATE_HZ <= value <= HIGHEST_SYMBOL_RATE_HZ):
        raise ValueError(f"must be a number from {LOWEST_SYMBOL_RATE_HZ:g} to {HIGHEST_SYMBOL_RATE_HZ:g}, or auto")
    return float(value)


def _check_target_bler(value: float) -> float:
    if value not in TARGET_BLERS:
        raise ValueError(f"thresholds are measured for {' and '.join(map(str, TARGET_BLERS))}: take one of them")
    return value


class StreamProtection(Settings):
    """MCS and repair overhead of one stream kind; None: the value for all streams."""

    mcs: McsIndex | None = None
    repair_overhead: Overhead | None = None


class Profile(LinkSettings):
    """One channel profile, checked. ``mcs`` is a row of the table, or ``auto``: the fastest that the SNR allows.

    ``mcs_target_bler`` and ``mcs_margin_db`` are parameters of ``auto``. The margin is above the SNR that AWGN needs;
    fading needs a larger one. ``repair_overhead`` is repair packets over packets of a picture; the sender adds them.
    ``protection`` sets another MCS or overhead for a stream kind. With ``deep_space`` the SNR, the delay and the fading
    follow from link budget and geometry unless they are given; ``symbol_rate_hz`` may then be ``auto``: the highest
    rate up to 1 Msymbol/s at which ``mcs``, or the most robust one, keeps its margin.
    """

    summary: Annotated[str, Field(max_length=200)] = ""
    snr_db: SnrDb | None = None
    mcs: Annotated[int | Literal["auto"], BeforeValidator(_check_mcs_or_auto)] = AUTO
    mcs_target_bler: Annotated[float, AfterValidator(_check_target_bler)] = 0.001
    mcs_margin_db: Annotated[float, Field(ge=-30, le=60)] = DEFAULT_MARGIN_DB
    symbol_rate_hz: Annotated[float | Literal["auto"], BeforeValidator(_check_symbol_rate_or_auto)] = 1e6
    propagation_delay_s: DelayS | None = None
    repair_overhead: Overhead = 0.0
    deep_space: DeepSpace | None = None
    protection: dict[Literal["HCI", "CAPTION", "TOKENS", "LATENT", "REGIONS", "BASE"], StreamProtection] = Field(
        default_factory=dict
    )

    @model_validator(mode="after")
    def _check_snr_is_known(self) -> Self:
        if self.propagation.mean_snr_db is not None:
            if self.snr_db is not None or self.snr_kind == "ebn0":
                raise ValueError("snr_db, snr_kind: leave them out; the propagation's file sets the SNR")
        elif self.snr_db is None and self.deep_space is None:
            raise ValueError("snr_db is missing: give the SNR in dB, or deep_space settings, from which it is computed")
        elif self.snr_db is None and self.snr_kind == "ebn0":
            raise ValueError("snr_kind = 'ebn0' needs snr_db: the link budget results in Es/N0")
        return self

    @model_validator(mode="after")
    def _check_symbol_rate(self) -> Self:
        if self.symbol_rate_hz != AUTO:
            self.propagation.check_against(self.symbol_rate_hz)
        elif self.deep_space is None:
            raise ValueError("symbol_rate_hz = 'auto' needs deep_space settings: it follows from their link budget")
        return self

    @model_validator(mode="after")
    def _check_snr_does_not_depend_on_mcs(self) -> Self:
        if self.snr_kind == "ebn0" and self.mcs == AUTO:
            raise ValueError("mcs = 'auto' needs snr_kind esn0: Eb/N0 depends on the MCS that is to be selected")
        if self.snr_kind == "ebn0" and self._stream_mcs():
            raise ValueError(
                "an mcs under protection needs snr_kind esn0: at a fixed Eb/N0 each MCS has a different Es/N0"
            )
        return self

    def resolve(self, **run: Any) -> ResolvedProfile:
        """Return the configuration of one transmission; ``run`` holds its seed, time scale and device.

        Raises:
            ConfigError: ``auto`` finds no MCS for the SNR, a value in ``run`` is outside its rule, or as
                ``find_contact``.
            UnknownNameError, InputError: as ``channel.deep_space.contact.find_contact``.
        """
        found = None if self.deep_space is None else find_contact(self.deep_space)
        snr_db, delay_s = self._given_snr_db, self.propagation_delay_s
        symbol_rate_hz = self._select_symbol_rate_hz(found)
        settings: dict[str, Any] = {name: getattr(self, name) for name in LinkSettings.model_fields}
        if self.deep_space is not None and found is not None:
            budget = self._compute_budget(found, symbol_rate_hz)
            snr_db = _check_es_n0_db(budget) if snr_db is None else snr_db
            delay_s = found.line_of_sight.light_time_s if delay_s is None else delay_s
            outages = add_window_end(self.impairments.outages, found)
            settings["impairments"] = self.impairments.model_copy(update={"outages": outages})
            settings["transmit_power_w"] = self.transmit_power_w or self.deep_space.budget.transmit_power_w
            if found.fading is not None and isinstance(self.propagation, Awgn):
                settings["propagation"] = _scintillate(found.fading, self.deep_space.budget.frequency_hz)
        own = {
            "snr_db": snr_db,
            "mcs": self._select_mcs(snr_db),
            "symbol_rate_hz": symbol_rate_hz,
            "propagation_delay_s": delay_s or 0.0,
        }
        config = validate(ChannelConfig, settings | own | {"stream_mcs": self._stream_mcs()} | run)
        if found is None:
            return ResolvedProfile(config, None, None)
        bits = config.scheme.spectral_efficiency
        return ResolvedProfile(config, found, self._compute_budget(found, symbol_rate_hz, bits))

    def config(self, **run: Any) -> ChannelConfig:
        """Return the channel configuration of one transmission; raises as ``resolve``."""
        return self.resolve(**run).config

    def repair_overheads(self) -> dict[StreamKind, float]:
        """Return the ratio of repair packets to packets for each kind of stream that gets any."""
        overheads = dict.fromkeys(StreamKind, self.repair_overhead)
        for name, one in self.protection.items():
            if one.repair_overhead is not None:
                overheads[StreamKind[name]] = one.repair_overhead
        return {kind: overhead for kind, overhead in overheads.items() if overhead}

    def _stream_mcs(self) -> dict[StreamKind, int]:
        return {StreamKind[name]: one.mcs for name, one in self.protection.items() if one.mcs is not None}

    def parameters(self) -> list[tuple[str, Any]]:
        """Return the dotted name and the value of every setting that has a value."""
        values = self.model_dump(mode="json", exclude=_NO_PARAMETERS, exclude_none=True)
        own_first = sorted(values, key=lambda name: name in LinkSettings.model_fields)
        return list(_flatten({name: values[name] for name in own_first}, ""))

    @property
    def _given_snr_db(self) -> float | None:
        """The SNR that the profile or the propagation's file gives; None if the link budget is to give it."""
        return self.snr_db if self.propagation.mean_snr_db is None else self.propagation.mean_snr_db

    def _compute_budget(self, found: Contact, symbol_rate_hz: float, bits_per_symbol: float = 1.0) -> LinkBudget:
        if self.deep_space is None:
            raise AssertionError("a contact follows from deep_space settings")
        return compute_budget(
            self.deep_space,
            found,
            symbol_rate_hz=symbol_rate_hz,
            occupied_share=self.propagation.occupied_share,
            bits_per_symbol=bits_per_symbol,
        )

    def _select_symbol_rate_hz(self, found: Contact | None) -> float:
        if self.symbol_rate_hz != AUTO:
            return self.symbol_rate_hz
        if found is None or self._given_snr_db is not None:
            return HIGHEST_AUTO_RATE_HZ
        rows = {row.scheme.index: row.es_n0_db(self.mcs_target_bler) for row in load_thresholds()}
        needed_db = (min(rows.values()) if self.mcs == AUTO else rows[self.mcs]) + self.mcs_margin_db
        at_highest_db = self._compute_budget(found, HIGHEST_AUTO_RATE_HZ).es_n0_db
        rate_hz = HIGHEST_AUTO_RATE_HZ * 10 ** (min(0.0, at_highest_db - needed_db) / 10)
        step_hz = 10 ** (math.floor(math.log10(rate_hz)) - 1)
        return float(max(1.0, math.floor(rate_hz / step_hz) * step_hz))  # two digits

    def _select_mcs(self, es_n0_db: float | None) -> int:
        if self.mcs != AUTO or es_n0_db is None:
            return int(self.mcs)
        try:
            return fastest_mcs(es_n0_db, target_bler=self.mcs_target_bler, margin_db=self.mcs_margin_db).index
        except ConfigError as error:
            if self.deep_space is None or self.snr_db is not None:
                raise
            raise ConfigError(
                f"{error}; the SNR follows from deep_space: body or distance_km, and budget, and from symbol_rate_hz: "
                "a lower one raises it, and symbol_rate_hz: auto finds the highest that works"
            ) from error


@dataclass(frozen=True, slots=True)
class ResolvedProfile:
    """A profile with all values computed; ``contact`` and ``budget`` are those of a deep-space link, else None."""

    config: ChannelConfig
    contact: Contact | None
    budget: LinkBudget | None


def _scintillate(found: Scintillation, frequency_hz: float) -> Rician:
    """Return fading that turns by one radian in the correlation time: its power is correlated by J0² of their ratio."""
    speed_m_s = SPEED_OF_LIGHT_M_S / (2 * math.pi * found.correlation_s * frequency_hz)
    return Rician(k_factor_db=found.k_db, speed_m_s=speed_m_s, carrier_frequency_hz=frequency_hz)


def _check_es_n0_db(budget: LinkBudget) -> float:
    """Return the Es/N0 of ``budget`` in dB; raises ``ConfigError`` if it is outside the simulated range."""
    if not abs(budget.es_n0_db) <= MAX_SNR_DB:
        raise ConfigError(
            f"deep_space: its link budget results in Es/N0 = {budget.es_n0_db:g} dB, but the simulation covers "
            f"{-MAX_SNR_DB:g} to {MAX_SNR_DB:g} dB: change deep_space.distance_km or deep_space.budget, or give snr_db"
        )
    return budget.es_n0_db


def _flatten(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
