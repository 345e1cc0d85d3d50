"""The functions of the Python API that need no client: they run in this process and share its models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from semlink._client import DEFAULT_CHANNEL, FILE_CODEC, LINK_CODEC, default_client

if TYPE_CHECKING:
    from collections.abc import Iterator

    from semlink._client import Link
    from semlink._inputs import ChannelInput, PictureInput
    from semlink._previews import Preview
    from semlink._values import Encoded, Received, Reconstruction, StreamInput, Transfer


def encode(
    picture: PictureInput,
    *,
    codec: str = FILE_CODEC,
    max_bytes: int | None = None,
    caption: str | None = None,
    captioner: str = "",
    tokens: int | None = None,
    latent_channels: int | None = None,
    trade_off: tuple[float, float] | None = None,
    levels: str = "full",
    link: Link | ChannelInput | None = None,
    expected_loss: float | None = None,
) -> Encoded:
    """Encode a picture in this process; see ``Client.encode``.

    >>> import semlink, skimage
    >>> encoded = semlink.encode(skimage.data.coffee(), max_bytes=600)
    >>> encoded.codec, encoded.bpp < 0.021
    ('hci', True)
    """
    return default_client().encode(
        picture,
        codec=codec,
        max_bytes=max_bytes,
        caption=caption,
        captioner=captioner,
        tokens=tokens,
        latent_channels=latent_channels,
        trade_off=trade_off,
        levels=levels,
        link=link,
        expected_loss=expected_loss,
    )


def decode(
    stream: StreamInput,
    *,
    decoder: str = "pocket",
    steps: int | None = None,
    fidelity: float | None = None,
    seed: int = 0,
) -> Reconstruction:
    """Decode in this process what was received, or an encoded picture; see ``Client.decode``.

    >>> import semlink, skimage
    >>> encoded = semlink.encode(skimage.data.coffee(), max_bytes=600)
    >>> semlink.decode(encoded.data, decoder="hci").image.size
    (600, 400)
    """
    return default_client().decode(stream, decoder=decoder, steps=steps, fidelity=fidelity, seed=seed)


def previews(received: Received, *, decoder: str = "pocket", draft_decoder: str = "hci") -> Iterator[Preview]:
    """Yield the picture after each packet that completed a part of it, in this process; see ``Client.previews``.

    >>> import semlink, skimage
    >>> link = semlink.Link("awgn", snr_db=20, settings={"erasure_rate": 0.25}, seed=3)
    >>> encoded = semlink.encode(skimage.data.coffee(), codec="resilient", max_bytes=600, caption="", link=link)
    >>> for preview in semlink.previews(link.send(encoded), decoder="hci"):
    ...     print(preview.packet, preview.bytes_received < 600, preview.units, preview.image.size)
    0 True ('BASE',) (600, 400)
    1 True ('HCI 1 of 6',) (600, 400)
    2 True ('HCI 2 of 6',) (600, 400)
    3 True ('HCI 3 of 6',) (600, 400)
    6 True ('HCI 6 of 6',) (600, 400)
    """
    return default_client().previews(received, decoder=decoder, draft_decoder=draft_decoder)


def send(
    picture: PictureInput,
    link: Link | ChannelInput = DEFAULT_CHANNEL,
    *,
    codec: str = LINK_CODEC,
    max_bytes: int | None = None,
    captioner: str = "",
    decoder: str = "pocket",
    levels: str = "full",
) -> Transfer:
    """Encode a picture, send it over a link and decode what arrives, in this process; see ``Client.send``.

    >>> import semlink, skimage
    >>> link = semlink.Link("awgn", snr_db=-10)
    >>> transfer = semlink.send(skimage.data.coffee(), link, max_bytes=600, decoder="hci")
    >>> transfer.received.delivered, transfer.picture
    (0, None)
    """
    return default_client().send(
        picture, link, codec=codec, max_bytes=max_bytes, captioner=captioner, decoder=decoder, levels=levels
    )


def codecs() -> dict[str, str]:
    """Return the codecs by name, with a sentence on each.

    >>> import semlink
    >>> "hci" in semlink.codecs()
    True
    """
    return default_client().codecs()


def channels() -> dict[str, str]:
    """Return the channels by name, with a sentence on each.

    >>> import semlink
    >>> "rayleigh" in semlink.channels()
    True
    """
    return default_client().channels()
