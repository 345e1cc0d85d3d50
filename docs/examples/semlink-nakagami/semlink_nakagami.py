"""Nakagami-m block fading with perfect channel knowledge: |h|² is Gamma distributed with shape m and mean 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from channel.propagation.kinds import PropagationSettings

if TYPE_CHECKING:
    import torch

    from channel.propagation.flat import Medium, PacketKeys


def city() -> str:
    """Return the profile of the channel ``city`` as YAML."""
    return """
summary: Nakagami fading as measured between houses
snr_db: 12
mcs: 4
propagation: {kind: nakagami, m: 1.5}
"""


class Nakagami(PropagationSettings):
    """The parameters: m = 1 is Rayleigh fading, m to infinity none."""

    kind: Literal["nakagami"] = "nakagami"
    m: Annotated[float, Field(ge=0.5, le=100)]

    def medium(self, variance: float, symbol_rate_hz: float) -> Medium:
        """Return the medium; the model is the same at any symbol rate."""
        del symbol_rate_hz
        return NakagamiMedium(self.m, variance)


class NakagamiMedium:
    """y = h x + n, one h per packet, drawn by the packet's key alone, as everything on this channel."""

    def __init__(self, m: float, variance: float) -> None:
        self._m, self._variance = m, variance

    def received(self, symbols: torch.Tensor, keys: PacketKeys) -> tuple[torch.Tensor, torch.Tensor]:
        """Return y / h, which is x and noise of variance N0 / |h|², and that variance for every symbol."""
        import torch

        from channel.rng import Purpose, packet_generator

        draws = (
            packet_generator(keys.run_seed, keys.picture_index, index, Purpose.FADING).gamma(self._m, 1 / self._m)
            for index in keys.packet_indices
        )
        power = torch.tensor(list(draws), dtype=torch.float32, device=symbols.device).clamp(min=1e-30)[:, None]
        noise = keys.noise(symbols.shape[1], self._variance).to(symbols.device)
        return symbols + noise / power.sqrt(), (self._variance / power).expand(symbols.shape)
