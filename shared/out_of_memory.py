"""Out-of-memory errors of torch, told as a limit of the device."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from shared.errors import LimitError

if TYPE_CHECKING:
    from collections.abc import Iterator

SMALLER: Final = "send a smaller picture, or use another device or --decoder hci"
MESSAGES: Final = ("out of memory", "not enough memory", "allocate memory", "could not create a memory")


@contextlib.contextmanager
def report_out_of_memory(what: str, device: str, way_out: str = SMALLER) -> Iterator[None]:
    """Turn an out-of-memory error of torch, of any type, into a ``LimitError`` that names ``what`` and ``way_out``.

    Raises:
        LimitError: the memory of ``device`` is too small.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not any(words in str(error).lower() for words in MESSAGES):
            raise
        raise LimitError(f"{what} does not fit into the memory of {device}: free some, {way_out}") from error
