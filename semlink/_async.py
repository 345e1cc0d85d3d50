"""The calls of the Python API as coroutines: each runs in a thread, so that the event loop goes on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self

from semlink._client import DEFAULT_CHANNEL, Link, connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from semlink._client import Client
    from semlink._inputs import ChannelInput, PictureInput
    from semlink._previews import Preview
    from semlink._values import Encoded, Received, Reconstruction, StreamInput, Transfer
    from shared.bitstream import Bitstream


class AsyncClient:
    """``Client`` with coroutines; ``connect_async`` returns one. Use as ``async with``, or call ``close``."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections to services."""
        await asyncio.to_thread(self._client.close)

    async def encode(self, picture: PictureInput, **options: Any) -> Encoded:
        """Encode a picture; options as ``Client.encode`` has them."""
        options = {name: one.link if isinstance(one, AsyncLink) else one for name, one in options.items()}
        return await asyncio.to_thread(self._client.encode, picture, **options)

    def link(self, channel: ChannelInput = DEFAULT_CHANNEL, **options: Any) -> AsyncLink:
        """Return a link over ``channel``; options as ``Link`` has them."""
        return AsyncLink(self._client.link(channel, **options))

    async def decode(self, stream: StreamInput, **options: Any) -> Reconstruction:
        """Decode what was received, or an encoded picture; options as ``Client.decode`` has them."""
        return await asyncio.to_thread(self._client.decode, stream, **options)

    async def previews(self, received: Received, **options: Any) -> AsyncIterator[Preview]:
        """Yield the picture after each packet; options as ``Client.previews`` has them."""
        previews = self._client.previews(received, **options)
        while (preview := await asyncio.to_thread(next, previews, None)) is not None:
            yield preview

    async def send(
        self, picture: PictureInput, link: AsyncLink | ChannelInput = DEFAULT_CHANNEL, **options: Any
    ) -> Transfer:
        """Encode a picture, send it over a link and decode what arrives; options as ``Client.send`` has them."""
        over = link.link if isinstance(link, AsyncLink) else link
        return await asyncio.to_thread(self._client.send, picture, over, **options)

    async def codecs(self) -> dict[str, str]:
        """Return the codecs by name, with a sentence on each."""
        return await asyncio.to_thread(self._client.codecs)

    async def channels(self) -> dict[str, str]:
        """Return the channels by name, with a sentence on each."""
        return await asyncio.to_thread(self._client.channels)


class AsyncLink:
    """``Link`` with coroutines; ``AsyncClient.link`` returns one."""

    def __init__(self, link: Link) -> None:
        self.link = link

    async def send(self, stream: Encoded | Bitstream | bytes | str | Path, *, picture_index: int = 0) -> Received:
        """Send an encoded picture; return what arrived of it."""
        return await asyncio.to_thread(self.link.send, stream, picture_index=picture_index)

    async def describe(self) -> dict[str, str]:
        """Return every setting of the channel with its value and unit."""
        return await asyncio.to_thread(self.link.describe)


def connect_async(
    *, sender: str = "", channel: str = "", receiver: str = "", device: str = "", timeout_s: float = 300.0
) -> AsyncClient:
    """Return an asynchronous client of services; arguments as ``connect`` has them.

    Raises:
        ConfigError: as ``connect``.
    """
    return AsyncClient(connect(sender=sender, channel=channel, receiver=receiver, device=device, timeout_s=timeout_s))
