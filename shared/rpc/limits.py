"""Limits of every RPC. Both ends set them, so that no default of a library applies."""

from __future__ import annotations

from dataclasses import dataclass

CHUNK_BYTES = 64 * 1024
"""Pictures are sent in chunks of this size."""

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
"""Largest message. The largest one in use is the report that holds a container."""

MAX_PICTURE_BYTES = 512 * 1024 * 1024
"""Largest picture file that a service accepts: 8192 × 8192 pixels of raw 48-bit RGB are 403 MB."""

HEAVY_WORKERS = 2
"""Most pictures that a sender or a receiver works on at a time. Other calls wait, which limits the memory."""

QUEUE_PACKETS = 256
"""Most packets in the queue of a call. When it is full, the service stops reading from its caller."""

MAX_CALL_PACKETS = 1 << 16
"""Most packets of a call: six streams of 8192 packets, and their repair packets."""

DEFAULT_TIMEOUT_S = 300.0
"""Time limit of a call for a client that chooses none."""

MAX_CALL_S = 900.0
"""Time limit of a call at the server, also for a caller that sets no deadline."""

DRAIN_S = 2.0
"""A failed call goes on reading until its caller pauses for so long: it can finish writing and get the status."""
MAX_DRAIN_S = 30.0
"""Longest time for which a failed call goes on reading."""

CLOSING_S = 2.0
"""The end of the grace of a service that stops: for its connections, spans and metrics, after its calls."""

MAX_SIDE_CALLS = 64
"""Most streams of health and reflection at a time, a pool of their own. A single health check is always answered."""

MESSAGE_SIZE_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
)


@dataclass(frozen=True, slots=True)
class ServiceLimits:
    """Limits of one service that are settings (docs/deploy.md). The defaults suit a container of 6 GiB.

    Attributes:
        calls: most open calls.
        memory_bytes: memory of all calls together, by estimate.
        first_message_s: longest wait for the first message of a call.
        idle_s: longest wait for each further message.
        grace_s: time from the signal to stop to the end of the process.
    """

    calls: int = 256
    memory_bytes: int = 4096 << 20
    first_message_s: float = 20.0
    idle_s: float = 300.0
    grace_s: float = 30.0


DEFAULT_LIMITS = ServiceLimits()
