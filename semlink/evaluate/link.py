"""The link's own codecs as codecs of an evaluation."""

from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from receiver.pocket.config import weights_folder
from semlink.evaluate.codec import enlarged
from semlink.pipeline.coding_spec import REAL_ESRGAN
from semlink.pipeline.spec_decoding import decode_as_specified, remove_dropped_streams
from shared.bitstream import Bitstream
from shared.codecs.registry import codec_named, codecs
from shared.errors import DataError
from shared.picture import encode_png, load_picture
from shared.pixels import grey_to_rgb

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from semlink.pipeline.coding_spec import CodingSpec
    from semlink.pipeline.pipeline import Pipeline

WEIGHTS = (".safetensors", ".json", ".npz", ".npy")


class LinkCodec:
    """One of the link's codecs with one way to decode it; the bytes of the ``.sem`` file count."""

    suffix = ".sem"

    def __init__(self, spec: CodingSpec, pipeline: Pipeline) -> None:
        self.name = spec.name
        self.coder = spec.codec
        self._spec = spec
        self._pipeline = pipeline

    def encode(self, pixels: NDArray[np.uint8], budget_bytes: int) -> bytes:
        """Return the container of ``pixels`` ``[H, W, 3]``, at most ``budget_bytes`` long.

        Raises:
            BudgetError: nothing fits.
        """
        picture = load_picture(encode_png(pixels))
        return self._pipeline.encode(picture, codec_named(self._spec.codec), budget_bytes).pack()

    def decode(self, data: bytes, width: int, height: int) -> NDArray[np.uint8]:
        """Return the receiver's picture ``[H, W, 3]``.

        Raises:
            DataError: the decoder makes no picture of these streams.
        """
        del width, height
        rebuilt = decode_as_specified(self._pipeline, self._spec, Bitstream.unpack(data))
        if rebuilt.pixels is None:
            raise DataError(f"not rebuilt: decoder '{self._spec.decoder}' can start from none of the streams")
        return grey_to_rgb(rebuilt.pixels)


class LinkEsrganCodec(LinkCodec):
    """The link's HCI, enlarged by Real-ESRGAN as published: what the decoder adds to it is measured against this."""

    def __init__(self, spec: CodingSpec, pipeline: Pipeline) -> None:
        """Load the network.

        Raises:
            SetupError: Real-ESRGAN's weights are not installed.
        """
        from semlink.evaluate.baselines.avif_esrgan import real_esrgan_x4  # noqa: PLC0415 - imports torch

        super().__init__(spec, pipeline)
        real_esrgan_x4()

    def decode(self, data: bytes, width: int, height: int) -> NDArray[np.uint8]:
        """Return the enlarged HCI."""
        from receiver.guidance import guidance_in  # noqa: PLC0415
        from receiver.pocket.sizes import quarter_size  # noqa: PLC0415
        from semlink.evaluate.baselines.avif_esrgan import four_times  # noqa: PLC0415

        hci = guidance_in(remove_dropped_streams(self._spec, Bitstream.unpack(data))).hci
        if hci is None:
            raise DataError("not rebuilt: there is no HCI to enlarge")
        return enlarged(four_times(enlarged(grey_to_rgb(hci.pixels), *quarter_size(width, height))), width, height)


def link_codec(spec: CodingSpec, pipeline: Pipeline) -> LinkCodec:
    """Return the codec that ``spec`` describes.

    Raises:
        SetupError: something that it needs is not installed.
    """
    return (LinkEsrganCodec if spec.decoder == REAL_ESRGAN else LinkCodec)(spec, pipeline)


def recipe_of(name: str) -> str:
    """Return what the name of a codec tells a sender, as far as it differs from a recipe's defaults; else nothing."""
    return codecs()[name].model_dump_json(exclude_defaults=True) if name in codecs() else ""


def weights_digest() -> str:
    """Return a hash over all weights and tables that the link's codecs use: others, other results."""
    digest = hashlib.sha256()
    shipped = {Path(str(resources.files(name))) for name in ("models", "shared")}
    for folder in sorted(shipped | {weights_folder()}):
        for file in sorted(folder.rglob("*")):
            if file.suffix in WEIGHTS:
                digest.update(file.name.encode() + b"\0")
                digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()
