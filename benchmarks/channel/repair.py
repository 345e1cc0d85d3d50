"""Share of pictures whose packets all arrive or are recovered, against loss rate, repair overhead and burst length.

A picture of ``SOURCE_PACKETS`` packets is followed by its repair packets. Losses follow Gilbert's model, once with
independent losses and once with bursts. Every trial is one picture; all overheads have the same losses. Symbols are
encoded, lost and decoded with RaptorQ and compared with the source symbols.

    python -m benchmarks.channel.repair

writes docs/results/repair.md and docs/results/repair.png.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import binomtest

from benchmarks.common.arguments import make_parser
from benchmarks.common.report import write_report
from channel.propagation.impairments import make_gilbert_chain
from shared.bitstream import Bitstream, PictureHeader
from shared.packets import Packetiser
from shared.repair.encoder import RepairEncoder, repair_count
from shared.repair.packet import CONTENT_BYTES
from shared.repair.symbols import decode_symbols, repair_symbols, source_symbols
from shared.streams import Stream, StreamKind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from channel.propagation.impairments import GilbertElliott

SOURCE_PACKETS = 20
PACKET_BYTES = 256
OVERHEADS = (0.0, 0.1, 0.25, 0.5)
LOSS_RATES = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4)
BURST_PACKETS = 4.0
RUN_SEED = 5


@dataclass(frozen=True, slots=True)
class Point:
    """One measured probability with its 95 % Clopper-Pearson interval, and the probability of an ideal code.

    ``decodable`` is the number of pictures that lost packets but kept as many as an ideal code needs; ``failed`` of
    these could not be decoded.
    """

    bursts: bool
    loss_rate: float
    overhead: float
    probability: float
    low: float
    high: float
    ideal: float
    decodable: int
    failed: int


def make_source_packets() -> list[bytes]:
    payload = bytes(index * 7 % 256 for index in range(SOURCE_PACKETS * (PACKET_BYTES - 9) - 4))
    bitstream = Bitstream(PictureHeader(768, 512), (Stream(StreamKind.HCI, payload),))
    return Packetiser(PACKET_BYTES).packetise(bitstream, 0)


def recover(sources: Sequence[bytes], repairs: Sequence[bytes], lost: Sequence[bool]) -> bool:
    """Return whether all source symbols arrive or are recovered."""
    if not any(lost[: len(sources)]):
        return True
    symbols = [*sources, *repairs]
    received = {index: symbol for index, symbol in enumerate(symbols) if not lost[index]}
    decoded = decode_symbols(received, len(sources))
    if decoded is not None and decoded != list(sources):
        raise AssertionError("decoded symbols are not those that were sent")
    return decoded is not None


def compute_probability_of_losses(most: int, packets: int, chain: GilbertElliott) -> float:
    """Return the probability that at most ``most`` of ``packets`` packets are lost, by summing over the states."""
    move = np.array(
        [[1 - chain.p_good_to_bad, chain.p_good_to_bad], [chain.p_bad_to_good, 1 - chain.p_bad_to_good]], dtype=float
    )
    loss = np.array([chain.loss_good, chain.loss_bad])
    share = np.zeros((packets + 1, 2))  # [lost so far, state of the next packet]
    share[0] = 1 - chain.bad_share, chain.bad_share
    for _ in range(packets):
        lost = np.vstack([np.zeros(2), (share * loss)[:-1]])
        share = (share * (1 - loss) + lost) @ move
    return float(share[: most + 1].sum())


def measure_points(trials: int) -> list[Point]:
    sources = source_symbols([packet[CONTENT_BYTES] for packet in make_source_packets()])
    repairs = repair_symbols(sources, repair_count(SOURCE_PACKETS, max(OVERHEADS)))
    points = []
    for bursts in (False, True):
        for loss_rate in LOSS_RATES:
            chain = make_gilbert_chain(loss_rate, BURST_PACKETS if bursts else 1 / (1 - loss_rate))
            losses = [
                chain.draw_losses(
                    run_seed=RUN_SEED, picture_index=trial, first_index=0, packets=SOURCE_PACKETS + len(repairs)
                )
                for trial in range(trials)
            ]
            for overhead in OVERHEADS:
                sent = repair_count(SOURCE_PACKETS, overhead)
                complete = sum(recover(sources, repairs[:sent], lost) for lost in losses)
                interval = binomtest(complete, trials).proportion_ci(0.95, method="exact")
                ideal = compute_probability_of_losses(sent, SOURCE_PACKETS + sent, chain)
                enough = [lost for lost in losses if sum(lost[: SOURCE_PACKETS + sent]) <= sent]
                points.append(
                    Point(
                        bursts=bursts,
                        loss_rate=loss_rate,
                        overhead=overhead,
                        probability=complete / trials,
                        low=interval.low,
                        high=interval.high,
                        ideal=ideal,
                        decodable=sum(any(lost[:SOURCE_PACKETS]) for lost in enough),
                        failed=len(enough) - complete,
                    )
                )
    return points


def report(points: Sequence[Point], trials: int) -> str:
    decodable, failed = sum(point.decodable for point in points), sum(point.failed for point in points)
    lines = [
        "# Pictures whose packets all arrive or are recovered",
        "",
        f"`python -m benchmarks.channel.repair --trials {trials}`: {SOURCE_PACKETS} packets of {PACKET_BYTES} bytes,",
        f"then their repair packets; {trials} pictures per loss rate. In brackets: a code for which any",
        f"{SOURCE_PACKETS} packets suffice, computed from the probabilities of the loss model.",
        "",
        f"Of {decodable} pictures that lost packets but kept {SOURCE_PACKETS} or more, RaptorQ failed on {failed}.",
        "",
        "| overhead | repair packets | bytes each | bytes on the wire, more than without |",
        "| --- | --- | --- | --- |",
    ]
    packets = make_source_packets()
    for overhead in OVERHEADS:
        repairs = RepairEncoder().repair_packets(packets, repair_count(SOURCE_PACKETS, overhead))
        more = sum(map(len, repairs)) / sum(map(len, packets))
        lines.append(f"| {overhead:.0%} | {len(repairs)} | {len(repairs[0]) if repairs else '-'} | {more:.1%} |")
    for bursts, title in ((False, "independent losses"), (True, f"bursts of {BURST_PACKETS:g} packets")):
        lines += ["", f"| {title}: loss rate | " + " | ".join(f"{overhead:.0%}" for overhead in OVERHEADS) + " |"]
        lines.append("| --- " * (1 + len(OVERHEADS)) + "|")
        for loss_rate in LOSS_RATES:
            row = [point for point in points if point.bursts == bursts and point.loss_rate == loss_rate]
            cells = [f"{point.probability:.3f} ({point.ideal:.3f})" for point in row]
            lines.append(f"| {loss_rate:.0%} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def draw(points: Sequence[Point], path: Path) -> None:
    import matplotlib as mpl  # noqa: PLC0415 - a second

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, panels = plt.subplots(1, 2, figsize=(10, 4.6), sharey=True, layout="constrained")
    for bursts, axes in zip((False, True), panels, strict=True):
        for colour, overhead in enumerate(OVERHEADS):
            curve = [point for point in points if point.bursts == bursts and point.overhead == overhead]
            rates = [point.loss_rate for point in curve]
            axes.errorbar(
                rates,
                [point.probability for point in curve],
                yerr=[[p.probability - p.low for p in curve], [p.high - p.probability for p in curve]],
                marker="o",
                markersize=4,
                capsize=2,
                linestyle="none",
                color=f"C{colour}",
                label=f"{overhead:.0%} overhead: {repair_count(SOURCE_PACKETS, overhead)} repair packets",
            )
            axes.plot(rates, [point.ideal for point in curve], color=f"C{colour}", linewidth=1)
        axes.set(
            xlabel="packet loss rate",
            title=f"bursts of {BURST_PACKETS:g} packets on average" if bursts else "independent losses",
        )
        axes.grid(alpha=0.3)
    panels[0].set_ylabel(f"all {SOURCE_PACKETS} packets there or recovered")
    handles, labels = panels[1].get_legend_handles_labels()
    figure.suptitle("RaptorQ (dots, 95 % intervals) and an ideal code (lines)", fontsize=11)
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=9)
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = make_parser(__doc__, "repair.md")
    parser.add_argument("--trials", type=int, default=1000, help="pictures per loss rate")
    options = parser.parse_args()
    points = measure_points(options.trials)
    draw(points, options.out.with_suffix(".png"))
    write_report(report(points, options.trials), options.out)


if __name__ == "__main__":
    main()
