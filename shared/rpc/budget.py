"""The memory of all calls of a service together, by estimate."""

from __future__ import annotations

import contextlib
import ctypes
from typing import TYPE_CHECKING, Final

from shared.errors import LimitError

if TYPE_CHECKING:
    from collections.abc import Iterator

SMALL_BYTES: Final = 32 << 20
"""A call of up to this size may use all of the budget, a larger one all but an eighth."""
RETRY_S: Final = 10.0
"""When a call that found no memory should try again."""
TRIM_BYTES: Final = 64 << 20
"""Memory is given back to the system after calls of at least this size."""


class Budget:
    """``total_bytes`` for all calls. Large calls leave an eighth of it to small ones."""

    def __init__(self, total_bytes: int) -> None:
        self._total_bytes = total_bytes
        self.held_bytes = 0

    @contextlib.contextmanager
    def share(self) -> Iterator[Share]:
        """Yield the share of one call. It is given back at the end of the block."""
        share = Share(self)
        try:
            yield share
        finally:
            self.held_bytes -= share.held_bytes
            if share.most_bytes >= TRIM_BYTES:
                give_back_memory()

    def keep(self, kept_bytes: int, what: str) -> None:
        """Leave ``kept_bytes`` less to calls, for ``what`` stays loaded between them; ``release`` undoes it.

        Raises:
            LimitError: calls hold too much, or would never have any.
        """
        left = self._total_bytes * 7 // 8 - self.held_bytes
        if kept_bytes > left:
            raise LimitError(
                f"{what} takes about {kept_bytes >> 20} MiB and the calls of this service leave {left >> 20} MiB: "
                "raise SEMLINK_CALLS_MEMORY_MIB"
            )
        self._total_bytes -= kept_bytes

    def release(self, kept_bytes: int) -> None:
        """Leave to calls what ``keep`` took."""
        self._total_bytes += kept_bytes

    def take(self, more_bytes: int, share: Share) -> None:
        """Add ``more_bytes`` to ``share``.

        Raises:
            LimitError: as ``Share.grow``.
        """
        needed = share.held_bytes + more_bytes
        limit = self._total_bytes if needed <= SMALL_BYTES else self._total_bytes * 7 // 8
        if needed > limit:
            raise LimitError(
                f"this call needs about {needed >> 20} MiB, the service has {limit >> 20} MiB for a call: send a "
                "smaller picture, or raise SEMLINK_CALLS_MEMORY_MIB"
            )
        if self.held_bytes + more_bytes > limit:
            raise LimitError(
                f"the service is busy: other calls leave {max(0, limit - self.held_bytes) >> 20} of {limit >> 20} MiB, "
                f"this call needs {needed >> 20} MiB; try again later",
                RETRY_S,
            )
        self.held_bytes += more_bytes
        share.held_bytes = needed
        share.most_bytes = max(share.most_bytes, needed)


class Share:
    """What one call holds of a budget, and the most that it held."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.held_bytes = self.most_bytes = 0

    def grow(self, more_bytes: int) -> None:
        """Take ``more_bytes`` until the end of the call.

        Raises:
            LimitError: there is not so much; its ``retry_s`` is 0 if there never will be.
        """
        self._budget.take(more_bytes, self)


def give_back_memory() -> None:
    """Return freed memory to the system. The C library would keep what is between blocks in use."""
    with contextlib.suppress(OSError, AttributeError):  # only glibc has this function
        ctypes.CDLL(None).malloc_trim(0)
