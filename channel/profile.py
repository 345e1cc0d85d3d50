"""Channel profiles: what a link is like, as a YAML document that pydantic checks; see ``docs/profiles.md``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from channel.adaptation import DEFAULT_MARGIN_DB, fastest_mcs
from channel.config import ChannelConfig, DelayS, LinkSettings, SnrDb
from channel.mcs import mcs
from shared.errors import UnknownNameError
from shared.validation import checked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

AUTO: Final = "auto"
"""The MCS that ``channel.adaptation.fastest_mcs`` chooses for the SNR."""


def _mcs_or_auto(value: Any) -> Any:
    if value == AUTO:
        return value
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("must be a row of the MCS table, or auto")  # noqa: TRY004 - for pydantic
    try:
        return mcs(value).index
    except UnknownNameError as error:
        raise ValueError(f"{error}, or auto") from None


class Profile(LinkSettings):
    """One channel profile, checked. ``mcs`` is a row of the table, or ``auto``: the fastest that the SNR allows.

    ``mcs_target_bler`` and ``mcs_margin_db`` are for ``auto``; the margin is over what AWGN needs, so fading asks for
    a larger one.
    """

    summary: Annotated[str, Field(max_length=200)] = ""
    snr_db: SnrDb
    mcs: Annotated[int | Literal["auto"], BeforeValidator(_mcs_or_auto)] = AUTO
    mcs_target_bler: Annotated[float, Field(gt=0, lt=1)] = 0.001
    mcs_margin_db: Annotated[float, Field(ge=-30, le=60)] = DEFAULT_MARGIN_DB
    propagation_delay_s: DelayS = 0.0

    @model_validator(mode="after")
    def _auto_has_an_snr_to_go_by(self) -> Self:
        if self.mcs == AUTO and self.snr_kind == "ebn0":
            raise ValueError("mcs = 'auto' needs snr_kind esn0: Eb/N0 depends on the MCS that is to be chosen")
        return self

    def config(self, **run: Any) -> ChannelConfig:
        """Return the configuration of one transmission; ``run`` holds seed, time scale and device.

        Raises:
            ConfigError: ``auto`` finds no MCS for the SNR, or something in ``run`` is outside its rule.
        """
        common = {name: getattr(self, name) for name in LinkSettings.model_fields}
        return checked(
            ChannelConfig,
            common
            | {"snr_db": self.snr_db, "mcs": self._mcs_at(self.snr_db), "propagation_delay_s": self.propagation_delay_s}
            | run,
        )

    def parameters(self) -> list[tuple[str, Any]]:
        """Return every setting under its dotted name, with what it is set to; what is not set is left out."""
        values = self.model_dump(mode="json", exclude={"summary"}, exclude_none=True)
        own_first = sorted(values, key=lambda name: name in LinkSettings.model_fields)
        return list(_flat({name: values[name] for name in own_first}, ""))

    def _mcs_at(self, es_n0_db: float) -> int:
        if self.mcs != AUTO:
            return int(self.mcs)
        return fastest_mcs(es_n0_db, target_bler=self.mcs_target_bler, margin_db=self.mcs_margin_db).index


def _flat(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
