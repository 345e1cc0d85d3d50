"""A log that a caller cannot fill."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

INTERVAL_S: Final = 60.0


class SeldomLog:
    """Writes at most one line per minute, with the number of lines that were left out since the last one."""

    def __init__(self, log: logging.Logger, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._log, self._clock_s = log, clock_s
        self._next_s = float("-inf")
        self._left_out = 0

    def warning(self, message: str) -> None:
        """Log ``message``, or count it."""
        now_s = self._clock_s()
        if now_s < self._next_s:
            self._left_out += 1
            return
        more = f" ({self._left_out} lines before it were left out)" if self._left_out else ""
        self._log.warning("%s%s", message, more)
        self._next_s, self._left_out = now_s + INTERVAL_S, 0
