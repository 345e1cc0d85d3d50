"""Explicit limits of every RPC: both ends set them, so that no library default decides."""

from __future__ import annotations

CHUNK_BYTES = 64 * 1024
"""Pictures travel in pieces of this size."""

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
"""No single message is larger; the largest is the report with a container in it."""

MAX_PICTURE_BYTES = 512 * 1024 * 1024
"""Largest picture file that a service takes in: 8192 × 8192 pixels of raw 48-bit RGB, and some."""

MAX_CONCURRENT_CALLS = 16
"""Calls beyond these are refused with RESOURCE_EXHAUSTED instead of queueing without bound."""

HEAVY_WORKERS = 2
"""Pictures that a sender or a receiver works on at the same time; other calls wait, which bounds its memory."""

QUEUE_PACKETS = 256
"""Packets that a service holds before it stops reading from its caller."""

DEFAULT_TIMEOUT_S = 300.0
"""Time limit of a call for a client that chooses none."""

MAX_CALL_S = 900.0
"""Longest call that a server works on when the caller sets no deadline."""

READ_OUT_S = 2.0
"""Time that a failed call goes on reading, so that its caller can end its writing and see the status."""

GRACE_S = 5.0
"""Time that running calls get to end when a service is told to stop."""

MESSAGE_SIZE_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
)
