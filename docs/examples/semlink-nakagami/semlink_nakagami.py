"""Nakagami-m block fading with perfect channel knowledge: |h|² is Gamma distributed with shape m and mean 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from channel.propagation.base import PropagationKind, PropagationSettings

if TYPE_CHECKING:
    import torch

    from channel.propagation.base import ChannelModel, PacketKeys


def city() -> str:
    """Return the profile of the channel ``city`` as YAML."""
    return """
summary: Nakagami fading as measured between houses
snr_db: 12
mcs: 4
propagation: {kind: nakagami, m: 1.5}
"""


class NakagamiSettings(PropagationSettings):
    """The parameter m: 1 is Rayleigh fading; towards infinity the fading vanishes."""

    kind: Literal["nakagami"] = "nakagami"
    m: Annotated[float, Field(ge=0.5, le=100)]


class NakagamiChannel:
    """y = h x + n with one h per packet, drawn from the packet's key."""

    def __init__(self, m: float, variance: float) -> None:
        self._m, self._variance = m, variance

    def apply(self, symbols: torch.Tensor, keys: PacketKeys) -> tuple[torch.Tensor, torch.Tensor]:
        """Return y / h, which is x plus noise of variance N0 / |h|², and that variance for every symbol."""
        import torch

        from channel.rng import Purpose, packet_generator

        draws = (
            packet_generator(keys.run_seed, keys.picture_index, index, Purpose.FADING).gamma(self._m, 1 / self._m)
            for index in keys.packet_indices
        )
        power = torch.tensor(list(draws), dtype=torch.float32, device=symbols.device).clamp(min=1e-30)[:, None]
        noise = keys.noise(symbols.shape[1], self._variance).to(symbols.device)
        return symbols + noise / power.sqrt(), (self._variance / power).expand(symbols.shape)


def build(settings: NakagamiSettings, variance: float, symbol_rate_hz: float) -> ChannelModel:
    """Return the channel model for noise of ``variance`` per complex symbol; it is the same at any symbol rate."""
    del symbol_rate_hz
    return NakagamiChannel(settings.m, variance)


NAKAGAMI = PropagationKind(NakagamiSettings, build)
