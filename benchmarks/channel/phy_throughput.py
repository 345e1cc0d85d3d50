"""Information bits per second of ``Link.transmit`` against the bare Sionna blocks, in one run, over every propagation.

The bare blocks are called as in Sionna's tutorials: one batch of random bits through CRC, LDPC, mapper, channel,
demapper, decoder and CRC check, all in single precision. ``Link.transmit`` does the same for Space Packets given as
bytes, with noise and fading that depend on the packet alone, in batches that fit the cache, and stops decoding when the
CRC holds. At -10 dB no packet stops early. Both run alternately, and the fastest run of each counts. Seconds are CPU
seconds of the process over all threads, so that other work on the machine has little influence.

    python -m benchmarks.channel.phy_throughput --threads 1
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import numpy as np
import torch
from sionna.phy.channel import AWGN, OFDMChannel, RayleighBlockFading
from sionna.phy.channel.tr38901 import TDL
from sionna.phy.fec.crc import CRCDecoder, CRCEncoder
from sionna.phy.fec.ldpc import LDPC5GDecoder, LDPC5GEncoder
from sionna.phy.mapping import Demapper, Mapper
from sionna.phy.mimo import StreamManagement
from sionna.phy.ofdm import (
    LMMSEChannelEstimator,
    LMMSEEqualizer,
    PilotPattern,
    ResourceGrid,
    ResourceGridMapper,
    tdl_freq_cov_mat,
    tdl_time_cov_mat,
)

from benchmarks.common.arguments import make_parser
from benchmarks.common.report import TablePrinter
from channel.link.link import Link
from channel.phy.mcs import transport_block
from channel.profile.registry import load_profile
from channel.propagation.kinds import Awgn, Tdl
from channel.snr import noise_variance

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from channel.config import ChannelConfig

    Model = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]

PACKET_BYTES = 256
# (channel, MCS, Es/N0 in dB): an SNR at which packets are delivered, and one at which none is.
CASES = (
    ("awgn", 8, 4.0),
    ("awgn", 8, -10.0),
    ("awgn", 28, 22.0),
    ("awgn", 28, -10.0),
    ("rayleigh", 8, 15.0),
    ("rayleigh", 8, -10.0),
    ("rician", 8, 10.0),
    ("rician", 8, -10.0),
    *((f"tdl-{profile}", 8, es_n0_db) for profile in "abcde" for es_n0_db in (12.0, -10.0)),
)
BATCHES = (1, 256)


def make_bare_sender(config: ChannelConfig, batch: int) -> Callable[[], None]:
    """Return a function that sends one batch of random bits through Sionna's blocks."""
    block = transport_block(PACKET_BYTES, config.scheme)
    payload_bits = 8 * block.payload_bytes
    order = config.scheme.modulation_order
    crc = CRCEncoder("CRC24A", k=payload_bits, device="cpu")
    encoder = LDPC5GEncoder(block.information_bits, block.coded_bits, num_bits_per_symbol=order, device="cpu")
    mapper = Mapper("qam", order, device="cpu")
    demapper = Demapper("app", "qam", order, device="cpu")
    decoder = LDPC5GDecoder(encoder, num_iter=config.max_bp_iterations, device="cpu")
    crc_check = CRCDecoder(crc, device="cpu")
    model = make_bare_model(config, batch, block.channel_uses)
    bits = torch.randint(0, 2, (batch, payload_bits)).float()

    def send() -> None:
        with torch.inference_mode():
            crc_check(decoder(demapper(*model(mapper(encoder(crc(bits)))))))

    return send


def make_bare_model(config: ChannelConfig, batch: int, symbols: int) -> Model:
    """Return a function from symbols ``[batch, symbols]`` to equalised symbols and their noise variance."""
    variance = torch.tensor(noise_variance(config.es_n0_db))
    propagation = config.propagation
    if isinstance(propagation, Tdl):
        return make_bare_ofdm(propagation, config.symbol_rate_hz, variance, batch, symbols)
    awgn = AWGN(device="cpu")
    if isinstance(propagation, Awgn):
        return lambda sent: (awgn(sent, variance), variance)
    fading = RayleighBlockFading(1, 1, 1, 1, device="cpu")
    k = propagation.k_ratio

    def fade(sent: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        h = fading(batch, 1)[0].reshape(batch, 1) * math.sqrt(1 / (k + 1)) + math.sqrt(k / (k + 1))
        power = h.abs().square()
        return awgn(h * sent, variance) * h.conj() / power, (variance / power).expand(sent.shape)

    return fade


def make_bare_ofdm(settings: Tdl, symbol_rate_hz: float, variance: torch.Tensor, batch: int, symbols: int) -> Model:
    """Return a tapped delay line under OFDM; every slot is one item of Sionna's batch and has its own channel."""
    grid = settings.grid
    mask = np.zeros((1, 1, grid.slot_symbols, grid.effective_carriers), dtype=np.int32)
    mask[:, :, list(grid.pilot_symbols)] = 1
    pilots = np.full((1, 1, grid.pilot_elements), (1 + 1j) / np.sqrt(2))
    resources = ResourceGrid(
        num_ofdm_symbols=grid.slot_symbols,
        fft_size=grid.fft_size,
        subcarrier_spacing=symbol_rate_hz / grid.fft_size,
        cyclic_prefix_length=grid.cyclic_prefix,
        num_guard_carriers=(grid.guard_carriers_low, grid.guard_carriers_high),
        dc_null=grid.dc_null,
        pilot_pattern=PilotPattern(mask, pilots, device="cpu"),
        device="cpu",
    )
    carrier_hz, speed, spread_s = settings.carrier_frequency_hz, settings.speed_m_s, settings.delay_spread_s
    tdl = TDL(settings.profile, spread_s, carrier_hz, min_speed=speed, device="cpu")
    over_frequency = tdl_freq_cov_mat(
        settings.profile, resources.subcarrier_spacing, grid.fft_size, spread_s, device="cpu"
    )
    over_time = tdl_time_cov_mat(
        settings.profile, speed, carrier_hz, resources.ofdm_symbol_duration, grid.slot_symbols, device="cpu"
    )
    used = torch.from_numpy(resources.effective_subcarrier_ind)
    estimator = LMMSEChannelEstimator(resources, over_time, over_frequency[used][:, used], order="f-t", device="cpu")
    equalizer = LMMSEEqualizer(resources, StreamManagement(np.ones((1, 1)), 1), device="cpu")
    channel = OFDMChannel(tdl, resources, device="cpu")
    mapper = ResourceGridMapper(resources, device="cpu")
    slots = grid.slots(symbols)

    def apply(sent: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        data = torch.zeros((batch, slots * grid.data_elements), dtype=sent.dtype)
        data[:, :symbols] = sent
        observed = channel(mapper(data.reshape(batch * slots, 1, 1, -1)), variance)
        equalised, left = equalizer(observed, *estimator(observed, variance), variance)
        return equalised.reshape(batch, -1)[:, :symbols], left.reshape(batch, -1)[:, :symbols]

    return apply


def make_link_sender(config: ChannelConfig, batch: int) -> Callable[[], None]:
    """Return a function that sends one batch of random packets through ``Link.transmit``."""
    link = Link(config)
    header = bytes([8, 1, 0xC0, 0]) + (PACKET_BYTES - 7).to_bytes(2, "big")
    random = np.random.default_rng(0)
    packets = [header + random.bytes(PACKET_BYTES - len(header)) for _ in range(batch)]

    def send() -> None:
        link.transmit(packets, picture_index=0)

    return send


def measure_seconds(sends: Sequence[Callable[[], None]], at_least_s: float) -> list[float]:
    """Return the shortest run of each of ``sends``, run alternately at least twice; the first run is the warm-up."""
    times: list[list[float]] = [[] for _ in sends]
    while len(times[0]) < 2 or sum(map(sum, times)) < len(sends) * at_least_s:
        for send, taken in zip(sends, times, strict=True):
            start = time.process_time()
            send()
            taken.append(time.process_time() - start)
    return [min(taken) for taken in times]


def main() -> None:
    parser = make_parser(__doc__)
    names = sorted({name for name, _, _ in CASES})
    parser.add_argument("--channels", nargs="+", choices=names, default=names, help="channels to measure")
    parser.add_argument("--batches", nargs="+", type=int, default=BATCHES, help="packets at once")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="torch threads")
    parser.add_argument("--seconds", type=float, default=1.0, help="least time per measurement")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"{PACKET_BYTES}-byte packets, {options.threads} threads, kbit of packets per CPU second\n")
    table = TablePrinter("channel", "MCS", "Es/N0 dB", "batch", "bare kbit/s", "link kbit/s", "link / bare")
    for name, index, es_n0_db in CASES:
        if name not in options.channels:
            continue
        config = load_profile(name, {"mcs": str(index), "snr_db": str(es_n0_db)}).config()
        for batch in options.batches:
            bare_s, link_s = measure_seconds(
                [make_bare_sender(config, batch), make_link_sender(config, batch)], options.seconds
            )
            kilobits = 8 * PACKET_BYTES * batch / 1000
            rates = f"{kilobits / bare_s:.1f}", f"{kilobits / link_s:.1f}", f"{bare_s / link_s:.2f}"
            table.add(f"`{name}`", index, f"{es_n0_db:.1f}", batch, *rates)
    table.write(options.out)


if __name__ == "__main__":
    main()
