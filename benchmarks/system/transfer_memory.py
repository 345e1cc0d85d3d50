"""Memory of the channel service and of its client for one long transmission, against that of a short one.

Streams packets of 1,024 bytes through a channel service in a process of its own, real gRPC on loopback: 1 MB (10^6
bytes), then ``--megabytes``, each through a fresh service, and reports both processes' peak resident memory. Twice:

- ``erased``: every packet is dropped before it is coded, so that all megabytes pass queue, clock, accounting and gRPC;
- ``delivered``: every packet is coded, sent over AWGN and decoded, with the least work that still delivers (MCS 28 at
  40 dB, two iterations). If ``--seconds`` are over first, the table shows how much was sent.

The client keeps nothing of what arrives but counts.

    python -m benchmarks.system.transfer_memory
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

import grpc
import grpc.aio
import numpy as np

from benchmarks.common.arguments import make_parser
from benchmarks.common.processes import start_service
from benchmarks.common.report import TablePrinter
from shared.rpc.limits import MESSAGE_SIZE_OPTIONS
from shared.rpc.semlink.v1 import channel_pb2, channel_pb2_grpc, packet_pb2

PACKET_BYTES = 1024
MEGABYTE = 10**6
FASTEST = {"mcs": "28", "snr_db": "40", "max_bp_iterations": "2"}
WAYS = {"erased": {**FASTEST, "erasure_rate": "1"}, "delivered": FASTEST}
TIMEOUT_S = 3600.0


@dataclass(frozen=True, slots=True)
class Row:
    """One transmission: what went through, and peak resident memory in MiB."""

    way: str
    megabytes: float
    packets: int
    delivered: int
    seconds: float
    service_mib: float
    client_mib: float


def peak_mib(process: int | str) -> float:
    """Return the peak resident memory of a process (its id, or ``self``) in MiB, from Linux's proc(5)."""
    for line in Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise SystemExit("this system does not report VmHWM: run the benchmark on Linux")


async def transmit(address: str, way: str, packets: int, limit_s: float) -> channel_pb2.LinkReport:
    """Stream up to ``packets`` packets, none after ``limit_s``, and return the channel's report."""
    random = np.random.default_rng(0)
    header = bytes([8, 1, 0xC0, 0]) + (PACKET_BYTES - 7).to_bytes(2, "big")
    async with grpc.aio.insecure_channel(address, options=list(MESSAGE_SIZE_OPTIONS)) as channel:
        call = channel_pb2_grpc.ChannelServiceStub(channel).Transmit(timeout=TIMEOUT_S)

        async def send() -> None:
            await call.write(channel_pb2.TransmitRequest(settings=channel_pb2.ChannelSettings(changes=WAYS[way])))
            end_s = time.perf_counter() + limit_s
            for _ in range(packets):
                if time.perf_counter() > end_s:
                    break
                data = header + random.bytes(PACKET_BYTES - len(header))
                await call.write(channel_pb2.TransmitRequest(packet=packet_pb2.Packet(data=data)))
            await call.done_writing()

        sending = asyncio.create_task(send())
        arrivals = 0
        async for event in call:
            if event.WhichOneof("event") == "report":
                await sending
                if arrivals != event.report.packets:
                    raise SystemExit(f"{event.report.packets} packets were sent, {arrivals} arrivals were reported")
                return event.report
            arrivals += 1
    raise SystemExit("the channel ended the call without a report")


def measure_row(way: str, megabytes: float, limit_s: float) -> Row:
    with start_service("channel") as (process, address):
        start_s = time.perf_counter()
        report = asyncio.run(transmit(address, way, int(megabytes * MEGABYTE) // PACKET_BYTES, limit_s))
        seconds = time.perf_counter() - start_s
        sent = report.packets * PACKET_BYTES / MEGABYTE
        return Row(way, sent, report.packets, report.delivered, seconds, peak_mib(process), peak_mib("self"))


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--megabytes", type=float, default=100.0, help="of the long transmission")
    parser.add_argument("--seconds", type=float, default=180.0, help="send nothing more after this time")
    options = parser.parse_args()
    memory = "service's peak MiB", "client's peak MiB"
    table = TablePrinter("packets are", "MB", "packets", "delivered", "seconds", *memory)
    for way in WAYS:
        for megabytes in (1.0, options.megabytes):
            row = measure_row(way, megabytes, options.seconds)
            peaks = f"{row.service_mib:.1f}", f"{row.client_mib:.1f}"
            table.add(way, f"{row.megabytes:.1f}", row.packets, row.delivered, f"{row.seconds:.1f}", *peaks)
    table.write(options.out)


if __name__ == "__main__":
    main()
