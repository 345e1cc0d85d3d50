"""Limits of every RPC. Both ends set them, so that no default of a library applies."""

from __future__ import annotations

CHUNK_BYTES = 64 * 1024
"""Pictures are sent in chunks of this size."""

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
"""Largest message. The largest one in use is the report that holds a container."""

MAX_PICTURE_BYTES = 512 * 1024 * 1024
"""Largest picture file that a service accepts: 8192 × 8192 pixels of raw 48-bit RGB are 403 MB."""

MAX_CONCURRENT_CALLS = 16
"""Most calls at a time. Further calls are refused with RESOURCE_EXHAUSTED, so that no queue grows without limit."""

HEAVY_WORKERS = 2
"""Most pictures that a sender or a receiver works on at a time. Other calls wait, which limits the memory."""

QUEUE_PACKETS = 256
"""Most packets in the queue of a call. When it is full, the service stops reading from its caller."""

DEFAULT_TIMEOUT_S = 300.0
"""Time limit of a call for a client that chooses none."""

MAX_CALL_S = 900.0
"""Time limit of a call at the server, also for a caller that sets no deadline."""

DRAIN_S = 2.0
"""How long a failed call goes on reading, so that its caller can finish writing and get the status."""

GRACE_S = 5.0
"""How long running calls may take to end when a service stops."""

MESSAGE_SIZE_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
)
