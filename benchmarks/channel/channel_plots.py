"""A plot of every channel that ships, from the link's own random draws, with the theory where there is one.

    python -m benchmarks.channel.channel_plots

writes docs/images/channels/NAME.png for each profile, or for the profiles that are named. Run seed 1, picture 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from scipy.stats import ncx2

from benchmarks.common.arguments import make_parser
from channel.phy.mcs import transport_block
from channel.profile.registry import channel_names, load_profile
from channel.propagation.base import PacketKeys
from channel.propagation.fading import draw_fading
from channel.propagation.impairments import apply_impairments
from channel.propagation.kinds import Awgn, Rayleigh, Rician, Tdl
from channel.propagation.timing import schedule_packets
from channel.rng import draw_noise, is_erased
from channel.snr import noise_variance
from training.data import REPOSITORY

mpl.use("Agg")
from matplotlib import pyplot as plt

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes

    from channel.config import ChannelConfig

OUT = REPOSITORY / "docs" / "images" / "channels"
PACKET_BYTES = 64
PICTURES, PACKETS = 30, 120
FADES = 4000


def plot_noise(axes: Axes, config: ChannelConfig) -> None:
    """Draw the real part of noise samples beside N(0, N0 / 2)."""
    variance = noise_variance(config.es_n0_db)
    samples = draw_noise(config.run_seed, 0, [0], 20_000, variance).real.ravel()
    axes.hist(samples, bins=80, density=True, color="0.75", label="20,000 samples of the link")
    x = np.linspace(samples.min(), samples.max(), 200)
    axes.plot(x, np.exp(-(x**2) / variance) / np.sqrt(np.pi * variance), label="N(0, N0/2)")
    axes.set(xlabel=f"real part of the noise, symbols of unit energy, Es/N0 {config.es_n0_db:.1f} dB", ylabel="density")


def plot_fading(axes: Axes, config: ChannelConfig) -> None:
    """Draw how often |h|² lies below a level, beside Rayleigh's or Rice's distribution."""
    k = config.propagation.k_ratio
    power = np.abs(draw_fading(config.run_seed, 0, range(FADES), 1, k_ratio=k).ravel()) ** 2
    axes.plot(10 * np.log10(np.sort(power)), np.arange(1, FADES + 1) / FADES, label=f"{FADES} packets of the link")
    levels_db = np.linspace(-30, 10, 200)
    theory = ncx2.cdf(2 * (k + 1) * 10 ** (levels_db / 10), 2, 2 * k)
    name = "1 - exp(-|h|²)" if k == 0 else f"Rice, K = {10 * np.log10(k):.1f} dB"
    axes.plot(levels_db, theory, "--", label=name)
    axes.set(yscale="log", ylim=(5e-4, 1.3), xlim=(-30, 10), xlabel="|h|² dB", ylabel="share of packets below")


def plot_response(axes: Axes, config: ChannelConfig) -> None:
    """Draw |H|² of one packet over OFDM symbols and used carriers."""
    from channel.propagation.ofdm import OfdmChannel  # noqa: PLC0415 - imports torch, seconds

    assert isinstance(config.propagation, Tdl)
    grid = config.propagation.grid
    model = OfdmChannel(config.propagation, noise_variance(config.es_n0_db), config.symbol_rate_hz)
    used = model.frequency_response(2, PacketKeys(config.run_seed, 0, [0], [0.0]), 0).reshape(
        -1, grid.effective_carriers
    )
    shown = axes.imshow(20 * np.log10(np.abs(used).T), aspect="auto", origin="lower", vmin=-25, vmax=8, cmap="viridis")
    plt.colorbar(shown, ax=axes, label="|H|² dB")
    axes.set(xlabel="OFDM symbol (2 slots)", ylabel="used carrier")


def plot_losses(axes: Axes, config: ChannelConfig) -> None:
    """Draw which packets of which pictures are lost, without block errors."""
    uses = transport_block(PACKET_BYTES, config.scheme).channel_uses
    times = schedule_packets([uses] * PACKETS, symbol_rate_hz=config.symbol_rate_hz, propagation_delay_s=0.0)
    lost = np.zeros((PICTURES, PACKETS))
    for picture in range(PICTURES):
        impaired = apply_impairments(
            config.impairments, times, run_seed=config.run_seed, picture_index=picture, first_index=0
        )
        lost[picture] = [
            one.lost or is_erased(config.run_seed, picture, index, config.erasure_rate)
            for index, one in enumerate(impaired)
        ]
    axes.imshow(lost, aspect="auto", cmap="Greys", interpolation="nearest")
    axes.set(
        xlabel=f"packet ({uses / config.symbol_rate_hz * 1e3:.2f} ms each)",
        ylabel="picture",
        title=f"{axes.get_title()}: {lost.mean():.1%} lost",
    )


def plot_delays(axes: Axes, config: ChannelConfig) -> None:
    """Draw the delays of packets and the deadline."""
    uses = transport_block(PACKET_BYTES, config.scheme).channel_uses
    times = schedule_packets(
        [uses] * PACKETS, symbol_rate_hz=config.symbol_rate_hz, propagation_delay_s=config.propagation_delay_s
    )
    impaired = apply_impairments(config.impairments, times, run_seed=config.run_seed, picture_index=0, first_index=0)
    late_ms = [1e3 * (one.arrival_s - time.departure_s) for one, time in zip(impaired, times, strict=True)]
    axes.plot(late_ms, ".", label="arrival after departure")
    axes.axhline(1e3 * (config.lifetime_s or np.nan), color="C3", label="expires")
    axes.set(xlabel="packet", ylabel="ms")


def choose_plot(config: ChannelConfig) -> Callable[[Axes, ChannelConfig], None]:
    """Return the function that plots the characteristic feature of a channel."""
    if config.impairments.jitter is not None:
        return plot_delays
    if isinstance(config.propagation, Tdl):
        return plot_response
    if isinstance(config.propagation, Rayleigh | Rician):
        return plot_fading
    assert isinstance(config.propagation, Awgn)
    outages = config.impairments.outages
    lossy = config.erasure_rate or config.impairments.bursts or (outages and outages.period_s)
    return plot_losses if lossy else plot_noise


def main() -> None:
    parser = make_parser(__doc__, OUT, what="folder")
    parser.add_argument("names", nargs="*", default=channel_names(), help="profiles; by default all that ship")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.names:
        config = load_profile(name).config(run_seed=1)
        figure, axes = plt.subplots(figsize=(5, 3), layout="constrained")
        axes.set_title(name, fontsize=10)
        choose_plot(config)(axes, config)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=8)
        figure.savefig(options.out / f"{name}.png", dpi=80, pil_kwargs={"optimize": True})
        plt.close(figure)


if __name__ == "__main__":
    main()
