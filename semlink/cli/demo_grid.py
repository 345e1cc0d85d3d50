"""The picture grid of ``semlink demo``: a row for each picture, a column for each SNR, and the trust map."""

from __future__ import annotations

from typing import TYPE_CHECKING

from semlink.cli.report_text import describe_decoder
from semlink.report.picture_grid import Tile, draw_picture_grid
from semlink.report.trust_map import colour_trust_map
from shared.outcome import LOST
from shared.rpc.semlink.v1 import packet_pb2

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from semlink.pipeline.transfer import Transfer


def draw_grid(originals: Mapping[str, bytes], transfers: Mapping[str, Sequence[Transfer]]) -> bytes:
    """Return the grid as a PNG file: each picture, its ``transfers`` and the trust map of the first of them."""
    rows = []
    for name, data in originals.items():
        first = transfers[name][0]
        lines = f"{name}, {first.sent.width}x{first.sent.height}", f"{len(data)} bytes as shipped"
        rows.append([Tile(data, lines), *map(_make_tile, transfers[name]), _make_trust_tile(first)])
    snrs = [f"{transfer.link.es_n0_db:+.1f} dB" for transfer in transfers[name]]
    titles = [
        "original",
        *(f"Es/N0 {snr}" for snr in snrs),
        f"trust map at {snrs[0]}; blue: invented, yellow: received",
    ]
    return draw_picture_grid(titles, rows)


def _make_tile(transfer: Transfer) -> Tile:
    sent, report = transfer.sent, transfer.received.report
    fates = [arrival.fate for arrival in transfer.arrivals]
    lost = f"{len(fates) - fates.count(packet_pb2.FATE_DELIVERED)} of {len(fates)} packets lost"
    cost = f"{len(sent.container)} bytes, {sent.bpp:.4f} bpp"
    if not report.rebuilt:
        return Tile(b"", (cost, lost), lost=f"{LOST}\n{lost}")
    outcome = f"PSNR {report.quality.psnr_db:.2f} dB; {lost}"
    banner = "invented: no stream is complete" if report.invented else ""
    return Tile(transfer.received.png, (cost, outcome), banner=banner)


def _make_trust_tile(transfer: Transfer) -> Tile:
    received = transfer.received
    if not received.trust_png:
        return Tile(b"", (), lost="no trust map")
    picture = colour_trust_map(received.trust_png, received.report.width, received.report.height)
    return Tile(picture, (f"mean trust {received.report.trust:.2f}", describe_decoder(received.report)))
