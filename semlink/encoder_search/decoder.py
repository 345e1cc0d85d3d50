"""The pocket decoder for trials at the sender, loaded at the first trial."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.lazy import Lazy

if TYPE_CHECKING:
    from receiver.pocket.decoder import PocketDecoder


def pocket_decoder(device: str = "") -> Lazy[PocketDecoder]:
    """Return the receiver's decoder on ``device``; "" takes CUDA where there is one."""

    def load() -> PocketDecoder:
        from receiver.pocket.decoder import PocketDecoder  # noqa: PLC0415 - imports torch

        decoder = PocketDecoder(device)
        decoder.load()
        return decoder

    return Lazy(load)
