"""Several processes of one training, as ``accelerate launch`` starts them."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

PREPARATION = timedelta(hours=12)
"""How long processes wait for the one that makes the pairs or validates."""


@contextlib.contextmanager
def main_process_first() -> Iterator[torch.device]:
    """Of several processes, have the main one make the pairs, for which the others wait; yield this one's device."""
    import torch  # noqa: PLC0415 - seconds to import
    from accelerate import PartialState  # noqa: PLC0415

    state = PartialState(cpu=not torch.cuda.is_available(), timeout=PREPARATION)
    with state.main_process_first():
        yield state.device
