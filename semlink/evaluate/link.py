"""The link's own codecs, with the interface of an evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from receiver.guidance import guidance_in
from receiver.pocket.sizes import quarter_size
from semlink.baselines.avif_esrgan import load_real_esrgan_x4, upscale_4x
from semlink.baselines.codec import enlarge
from semlink.pipeline.coding_spec import REAL_ESRGAN
from semlink.pipeline.spec_decoding import decode_as_specified, remove_dropped_streams
from shared.bitstream import Bitstream
from shared.codecs.registry import codecs, get_codec
from shared.errors import DataError
from shared.picture import encode_png, load_picture
from shared.pixels import grey_to_rgb

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from semlink.pipeline.coding_spec import CodingSpec
    from semlink.pipeline.pipeline import Pipeline


class LinkCodec:
    """A codec of the link, decoded as a specification says. All bytes of the ``.sem`` file count."""

    suffix = ".sem"

    def __init__(self, spec: CodingSpec, pipeline: Pipeline) -> None:
        self.name = spec.name
        self.coder = f"{spec.codec}@{spec.captioner}" if spec.captioner else spec.codec
        self._spec = spec
        self._pipeline = pipeline

    def encode(self, pixels: NDArray[np.uint8], max_bytes: int) -> bytes:
        """Return the container of ``pixels`` ``[H, W, 3]``, at most ``max_bytes`` long.

        Raises:
            BudgetError: nothing fits.
        """
        picture = load_picture(encode_png(pixels))
        codec = get_codec(self._spec.codec)
        return self._pipeline.encode(picture, codec, max_bytes, captioner=self._spec.captioner).pack()

    def decode(self, data: bytes, width: int, height: int) -> NDArray[np.uint8]:
        """Return the receiver's picture ``[H, W, 3]``.

        Raises:
            DataError: the decoder makes no picture of these streams.
        """
        del width, height
        rebuilt = decode_as_specified(self._pipeline, self._spec, Bitstream.unpack(data))
        if rebuilt.pixels is None:
            raise DataError(f"no picture: decoder '{self._spec.decoder}' can start from none of the streams")
        return grey_to_rgb(rebuilt.pixels)


class LinkEsrganCodec(LinkCodec):
    """The link's highly compressed image (HCI), enlarged by Real-ESRGAN as published.

    It shows what the pocket decoder adds to a published upscaler.
    """

    def __init__(self, spec: CodingSpec, pipeline: Pipeline) -> None:
        """Load the network.

        Raises:
            SetupError: Real-ESRGAN's weights are not installed.
        """
        super().__init__(spec, pipeline)
        load_real_esrgan_x4()

    def decode(self, data: bytes, width: int, height: int) -> NDArray[np.uint8]:
        """Return the enlarged HCI ``[height, width, 3]``."""
        hci = guidance_in(remove_dropped_streams(self._spec, Bitstream.unpack(data))).hci
        if hci is None:
            raise DataError("no picture: there is no HCI to enlarge")
        quarter = enlarge(grey_to_rgb(hci.pixels), *quarter_size(width, height))
        return enlarge(upscale_4x(quarter), width, height)


def make_link_codec(spec: CodingSpec, pipeline: Pipeline) -> LinkCodec:
    """Return the codec that ``spec`` describes.

    Raises:
        SetupError: the codec needs something that is not installed.
    """
    return (LinkEsrganCodec if spec.decoder == REAL_ESRGAN else LinkCodec)(spec, pipeline)


def describe_recipe(coder: str) -> str:
    """Return the recipe of the link's codec that ``coder`` names as JSON, defaults left out; empty for all others."""
    name = coder.partition("@")[0]
    return codecs()[name].model_dump_json(exclude_defaults=True) if name in codecs() else ""
