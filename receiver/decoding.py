"""Decoding for one call of the receiver's service."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from receiver.cost import require_plausible
from receiver.guidance import Guidance
from receiver.rebuild import Rebuilt, check_reference, draft_decoders, holds_picture, measure_quality, rebuild_files
from shared.bitstream import Bitstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import grpc.aio

    from receiver.cost import DecodeMemory
    from receiver.decoders.base import DecodeOptions, Decoder
    from shared.bitstream import PictureHeader
    from shared.rpc.chunks import ChunkBuffer
    from shared.rpc.lanes import Lanes


class Decoding:
    """The loaded decoder and the options of one call; decodes in the threads of the service.

    ``stop`` is set when the call ends for any reason: then the work ends too.
    """

    def __init__(self, lanes: Lanes, memory: DecodeMemory, decoder: Decoder, options: DecodeOptions) -> None:
        self._lanes, self._memory = lanes, memory
        self.decoder, self.options = decoder, options
        self.stop = threading.Event()

    def end(self, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        """Stop the work for this call. To be called when the call is over."""
        del context
        self.stop.set()

    async def rebuild(self, bitstream: Bitstream) -> Rebuilt:
        """Decode ``bitstream``, and encode the files of the result.

        Raises:
            LimitError: its bytes are too few for its size, or the calls of the service hold too much memory.
        """
        require_plausible(bitstream)
        self._memory.reserve(bitstream.header, self.decoder, self.options.steps)
        work = self.decoder.cost(bitstream.header, self.options.steps).work
        return await self._lanes.run(work, rebuild_files, bitstream, self.decoder, self.options, self.stop)

    def drafts(self) -> list[Decoding]:
        """Return faster decoders for drafts: the up-sampled HCI, then the decoder without its refiner."""
        drafts = [Decoding(self._lanes, self._memory, *one) for one in draft_decoders(self.decoder, self.options)]
        for draft in drafts:
            draft.stop = self.stop
        return drafts

    async def rebuild_draft(self, bitstream: Bitstream) -> Rebuilt:
        """Decode a draft; no picture without an HCI, because the fallback synthesis takes no longer than its draft."""
        if not holds_picture(bitstream):
            return Rebuilt(bitstream, Guidance(bitstream.header), 0.0)
        return await self.rebuild(bitstream)

    async def rebuild_previews(self, bitstream: Bitstream) -> AsyncIterator[Rebuilt]:
        """Yield previews: of no stream, of one stream more each time, then drafts of all streams."""
        for count in range(len(bitstream.streams)):
            yield await self.rebuild(Bitstream(bitstream.header, bitstream.streams[:count]))
        for draft in self.drafts():
            yield await draft.rebuild_draft(bitstream)

    async def measure(self, rebuilt: Rebuilt, reference: ChunkBuffer) -> Rebuilt:
        """Return ``rebuilt`` with its quality against ``reference``."""
        header = rebuilt.bitstream.header
        self._memory.reserve(header, self.decoder, self.options.steps, measured=True)
        return await self._lanes.run(header.pixels, measure_quality, rebuilt, reference.join())

    async def check_reference(self, reference: ChunkBuffer, header: PictureHeader) -> None:
        """Check that ``reference`` fits the picture."""
        self._memory.reserve(header, self.decoder, self.options.steps, measured=True)
        await self._lanes.run(header.pixels, check_reference, reference.join(), header)
