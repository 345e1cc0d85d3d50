"""The ``learned`` HCI coder: a mean-scale hyperprior with a checkerboard context, decoded in integers.

Minnen, Ballé and Toderici 2018; He et al. 2021 (checkerboard context); Cui et al. 2021 (one model, many rates). The
``training/hci_learned`` trains the weights. A payload is one byte of quality and the bytes of a range coder.
`integer_net` computes means, scales and pixels, and the weights file holds integer tables of probabilities, so all
machines decode a payload to the same picture. The encoder's transform uses floating point. Another machine may
therefore write slightly different bytes, but all machines decode them to the picture that the encoder expects.
"""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Literal

import constriction
import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from shared.errors import BitstreamError, ConfigError, PictureError, SetupError
from shared.hci.coder import LEARNED_MAX_SIDE, MIN_SMALL_SIDE
from shared.hci.integer_net import LIMIT, SCALE_ENTRIES, UNIT, IntegerDecoder, IntegerWeights
from shared.hci.quality_search import find_highest_within
from shared.pixels import grey_to_rgb, to_tensor
from shared.range_coding import RangeReader, RangeWriter, table_model

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

from shared.range_coding import Symbols

STRIDE = 16
# Symbols are whole steps in ±1023. A symbol outside a table's radius is coded as one of 2048 equally likely values.
SYMBOL_MAX, ESCAPES = 1023, 2048


class Sender:
    """The encoder's part of `LearnedHciCoder._code_latent`: rounds the latents and writes them."""

    def __init__(self, hyper: Tensor, latent: Tensor, tables: GaussianTables) -> None:
        self.targets = {"hyper": hyper, "latent": latent}
        self.writer = SymbolWriter(tables)

    def symbols(self, name: Literal["hyper", "latent"], mean: Tensor, level: Tensor, chosen: Tensor) -> Symbols:
        """Return the ``chosen`` symbols (flat) and append them to the stream."""
        steps = torch.round(self.targets[name].double() - mean / UNIT).clamp_(-SYMBOL_MAX, SYMBOL_MAX)
        symbols = select(steps, chosen)
        self.writer.write(symbols, select(level, chosen))
        return symbols


class Receiver:
    """The decoder's part: reads the latents."""

    def __init__(self, tables: GaussianTables, data: bytes) -> None:
        self.reader = SymbolReader(tables, data)

    def symbols(self, _name: Literal["hyper", "latent"], _mean: Tensor, level: Tensor, chosen: Tensor) -> Symbols:
        """Return the ``chosen`` symbols (flat) from the stream."""
        return self.reader.read(select(level, chosen))


def select(values: Tensor, chosen: Tensor) -> Symbols:
    """Return the values where ``chosen`` (which may be broadcast) is true, as int32."""
    return values[chosen.expand_as(values)].to(torch.int32).cpu().numpy()


def to_units(symbols: Symbols, mean: Tensor, chosen: Tensor) -> Tensor:
    """Return latents in units, whole steps around ``mean`` where ``chosen`` and zero elsewhere."""
    known = torch.zeros_like(mean)
    where = chosen.expand_as(mean)
    steps = torch.from_numpy(symbols).to(mean.device, mean.dtype)
    known[where] = (steps * UNIT + mean[where]).clamp_(-LIMIT, LIMIT)
    return known


def even_places(rows: int, columns: int, device: torch.device) -> Tensor:
    """Return ``[1, 1, rows, columns]``: true where row + column is even. These places are coded first."""
    row, column = torch.arange(rows, device=device)[:, None], torch.arange(columns, device=device)[None]
    return ((row + column) % 2 == 0)[None, None]


class GaussianTables:
    """Probabilities of whole steps around the mean for 64 scales; the last symbol of each table is the escape."""

    def __init__(self, weights: IntegerWeights) -> None:
        counts = weights.get("counts", torch.int32, 2).cpu().numpy()
        radius = weights.get("radius", torch.uint8, 1).cpu().numpy().astype(np.int32)
        widths = 2 * radius + 2
        if (
            len(counts) != SCALE_ENTRIES
            or len(radius) != SCALE_ENTRIES
            or widths.max() > counts.shape[1]
            or radius.min() < 1
        ):
            raise SetupError("weights of hci-learned are damaged: wrong probability tables; install the package again")
        rows = [row[:width] for row, width in zip(counts, widths, strict=True)]
        if any(row.min() < 1 for row in rows):
            raise SetupError("weights of hci-learned are damaged: a probability is zero; install the package again")
        self.radius = radius
        self.models = [table_model(row) for row in rows]
        self.escape = constriction.stream.model.Uniform(ESCAPES)


class SymbolWriter:
    """Range-codes symbols, grouped by scale."""

    def __init__(self, tables: GaussianTables) -> None:
        self.tables, self.coder = tables, RangeWriter()

    def write(self, symbols: Symbols, levels: Symbols) -> None:
        """Append ``symbols`` (flat), each coded with the table of its entry in ``levels``."""
        for level in np.unique(levels):
            radius = self.tables.radius[level]
            group = symbols[levels == level]
            far = np.abs(group) > radius
            self.coder.write(np.where(far, 2 * radius + 1, group + radius), self.tables.models[level])
            if far.any():
                self.coder.write(group[far] + ESCAPES // 2, self.tables.escape)

    def to_bytes(self) -> bytes:
        """Return the shortest bytes that decode to all symbols, if zeros follow them."""
        return self.coder.to_bytes()


class SymbolReader:
    """Reads what `SymbolWriter` wrote."""

    def __init__(self, tables: GaussianTables, data: bytes) -> None:
        self.tables, self.coder = tables, RangeReader(data, "learned HCI")

    def read(self, levels: Symbols) -> Symbols:
        """Return one symbol per entry of ``levels`` (flat).

        Raises:
            BitstreamError: no encoder writes these bytes.
        """
        symbols = np.empty(len(levels), np.int32)
        for level in np.unique(levels):
            radius, members = self.tables.radius[level], np.flatnonzero(levels == level)
            inside = self.coder.read(len(members), self.tables.models[level]) - radius
            far = inside == radius + 1
            if far.any():
                inside[far] = self.coder.read(int(far.sum()), self.tables.escape) - ESCAPES // 2
            symbols[members] = inside
        return symbols

    def finish(self) -> None:
        """Check that the bytes hold exactly the symbols read so far.

        Raises:
            BitstreamError: the encoder writes these symbols as other bytes, so bytes were cut off or added.
        """
        self.coder.finish()


class Encoder:
    """The analysis transforms, in float32. Their results need not be equal on all machines."""

    def __init__(self, tensors: Mapping[str, Tensor], device: torch.device) -> None:
        self.weights, self.device = IntegerWeights(tensors, device), device
        self.gain = self.weights.get("encoder.gain", torch.float32, 2)[:, :, None, None]
        self.convs = {
            name: (
                self.weights.get(f"encoder.{name}.weight", torch.float16, 4).float(),
                self.weights.get(f"encoder.{name}.bias", torch.float16, 1).float(),
            )
            for name in (
                *(
                    "analysis_skip",
                    "analysis.1",
                    "analysis.3",
                    "analysis.6",
                    "hyper_analysis.0",
                    "hyper_analysis.2",
                    "hyper_analysis.4",
                ),
                *(f"analysis.{block}.{part}" for block in (2, 4, 5) for part in ("first", "second")),
            )
        }

    def _conv(self, x: Tensor, name: str, stride: int = 1) -> Tensor:
        weight, bias = self.convs[name]
        return F.conv2d(x, weight, bias, stride, weight.shape[-1] // 2)

    def _residual(self, x: Tensor, name: str) -> Tensor:
        inner = self._conv(F.leaky_relu(x, 0.125), f"{name}.first")
        return x + self._conv(F.leaky_relu(inner, 0.125), f"{name}.second")

    def analyse(self, picture: Tensor) -> Tensor:
        """Map a picture ``[1, 3, 16h, 16w]`` (0..1) to ``[1, C, h, w]``, which is the same at every quality."""
        block = self._conv(F.pixel_unshuffle(picture - 0.5, STRIDE), "analysis_skip")
        x = self._conv(F.pixel_unshuffle(picture - 0.5, 4), "analysis.1")
        x = self._conv(self._residual(x, "analysis.2"), "analysis.3", 2)
        x = self._residual(self._residual(x, "analysis.4"), "analysis.5")
        return self._conv(x, "analysis.6", 2) + block

    def latents(self, analysed: Tensor, quality: int) -> tuple[Tensor, Tensor]:
        """Return the latent ``[1, C, h, w]`` in steps and the hyper-latent of an ``analysed`` picture."""
        y = analysed * self.gain[quality]
        z = F.leaky_relu(self._conv(y, "hyper_analysis.0"), 0.125)
        z = F.leaky_relu(self._conv(z, "hyper_analysis.2", 2), 0.125)
        return y, self._conv(z, "hyper_analysis.4", 2)


class LearnedHciCoder:
    """`shared.hci.coder.HciCoder` by a trained network, for pictures of 8 to 2048 pixels a side."""

    name = "learned"
    qualities = range(32)

    def __init__(self, weights: Path | None = None, device: str = "cpu") -> None:
        """Load the shipped weights, or the safetensors file ``weights``.

        Raises:
            SetupError: they are missing or damaged.
        """
        tensors = load_tensors(weights)
        self.device = torch.device(device)
        self.decoder = IntegerDecoder(tensors, self.device)
        self.encoder = Encoder(tensors, self.device)
        self.tables = GaussianTables(IntegerWeights(tensors, self.device))
        tables = (self.decoder.hyper_mean, self.decoder.hyper_level, self.decoder.inverse_gain, self.encoder.gain)
        if any(len(table) != len(self.qualities) for table in tables):
            raise SetupError("weights of hci-learned are damaged: wrong number of qualities; install the package again")

    def encode(self, small: NDArray[np.uint8], quality: int) -> bytes:
        """Code ``small`` (``[h, w, 3]`` RGB or ``[h, w]`` grey, uint8) at ``quality`` and return its payload.

        Raises:
            PictureError: a side outside 8..2048 or another kind of array.
            ConfigError: a quality outside 0..31.
        """
        return self.prepare(small)(quality)

    @torch.no_grad()
    def prepare(self, small: NDArray[np.uint8]) -> Callable[[int], bytes]:
        """Return ``encode`` of ``small`` as a function of the quality; the analysis is computed once.

        Raises:
            PictureError: as ``encode``.
        """
        analysed = self._analyse(small)
        return lambda quality: self._encode(analysed, quality)[0]

    def encode_within(self, small: NDArray[np.uint8], max_bytes: int) -> bytes:
        """Return the payload of the highest quality within ``max_bytes``, or that of the lowest if none fits.

        Raises:
            PictureError: as ``encode``.
        """
        return find_highest_within(self.qualities, max_bytes, self.prepare(small))

    @torch.no_grad()
    def encode_with_picture(self, small: NDArray[np.uint8], quality: int) -> tuple[bytes, NDArray[np.uint8]]:
        """Return what ``encode`` returns and the picture that ``decode`` will return for it."""
        payload, latent = self._encode(self._analyse(small), quality)
        height, width = small.shape[:2]
        return payload, crop(self.decoder.picture(latent, quality), width, height, grey=small.ndim == 2)

    @torch.no_grad()
    def decode(self, payload: bytes, width: int, height: int, *, grey: bool) -> NDArray[np.uint8]:
        """Return the small picture of ``width`` x ``height`` pixels, ``[h, w, 3]`` or, if ``grey``, ``[h, w]``.

        Raises:
            BitstreamError: the payload was not made by ``encode`` for a picture of this size.
        """
        if not is_allowed(width, height):
            raise BitstreamError(
                f"a learned HCI of {width}x{height}: sides must be {MIN_SMALL_SIDE} to {LEARNED_MAX_SIDE}"
            )
        if not payload or payload[0] not in self.qualities:
            raise BitstreamError(
                f"learned HCI payload of {len(payload)} bytes: its first byte must be a quality, 0..31"
            )
        receiver = Receiver(self.tables, payload[1:])
        latent = self._code_latent(receiver, payload[0], -(-height // STRIDE), -(-width // STRIDE))
        receiver.reader.finish()
        return crop(self.decoder.picture(latent, payload[0]), width, height, grey=grey)

    def _analyse(self, small: NDArray[np.uint8]) -> Tensor:
        """Return the part of the encoding that is the same at every quality."""
        if small.dtype != np.uint8 or (small.ndim != 2 and small.shape[2:] != (3,)):
            raise PictureError(f"a small picture of {small.dtype} {small.shape}: must be uint8 [h, w, 3] or [h, w]")
        height, width = small.shape[:2]
        if not is_allowed(width, height):
            raise PictureError(
                f"a small picture of {width}x{height}: sides must be {MIN_SMALL_SIDE} to {LEARNED_MAX_SIDE}"
            )
        return self.encoder.analyse(pad_to_stride(small).to(self.device))

    @torch.no_grad()
    def _encode(self, analysed: Tensor, quality: int) -> tuple[bytes, Tensor]:
        """Return the payload, and the latent in units as the decoder will read it."""
        if quality not in self.qualities:
            raise ConfigError(f"quality {quality} of the learned HCI coder: must be 0 to {self.qualities[-1]}")
        latent, hyper = self.encoder.latents(analysed, quality)
        sender = Sender(hyper, latent, self.tables)
        agreed = self._code_latent(sender, quality, latent.shape[2], latent.shape[3])
        return bytes([quality]) + sender.writer.to_bytes(), agreed

    def _code_latent(self, end: Sender | Receiver, quality: int, rows: int, columns: int) -> Tensor:
        """Code the symbols in the order of the stream and return the latent in units ``[1, C, h, w]``.

        Encoder and decoder both run this method, so that both get the same latent.
        """
        small_rows, small_columns = -(-rows // 4), -(-columns // 4)
        everywhere = torch.ones(1, 1, 1, 1, dtype=torch.bool, device=self.device)
        mean = self.decoder.hyper_mean[quality][None].repeat(1, 1, small_rows, small_columns)
        level = self.decoder.hyper_level[quality][None].repeat(1, 1, small_rows, small_columns)
        hyper = to_units(end.symbols("hyper", mean, level, everywhere), mean, everywhere)
        features = self.decoder.features(hyper, quality, rows, columns)
        even = even_places(rows, columns, self.device)
        mean, level = self.decoder.parameters(features, None)
        known = to_units(end.symbols("latent", mean, level, even), mean, even)
        mean, level = self.decoder.parameters(features, known)
        return known + to_units(end.symbols("latent", mean, level, ~even), mean, ~even)


def is_allowed(width: int, height: int) -> bool:
    """Whether both sides are within the coder's limits."""
    return MIN_SMALL_SIDE <= width <= LEARNED_MAX_SIDE and MIN_SMALL_SIDE <= height <= LEARNED_MAX_SIDE


def pad_to_stride(small: NDArray[np.uint8]) -> Tensor:
    """Return ``[1, 3, 16h, 16w]`` (0..1): grey as three equal planes, the last row and column repeated."""
    bottom, right = -small.shape[0] % STRIDE, -small.shape[1] % STRIDE
    return to_tensor(np.pad(grey_to_rgb(small), ((0, bottom), (0, right), (0, 0)), mode="edge"))[None]


def crop(picture: Tensor, width: int, height: int, *, grey: bool) -> NDArray[np.uint8]:
    """Return ``[height, width, 3]`` or, if ``grey``, the planes' rounded mean ``[height, width]``."""
    planes = picture[0, :, :height, :width].permute(1, 2, 0).cpu().numpy()
    if not grey:
        return np.ascontiguousarray(planes)
    mean: NDArray[np.uint8] = ((planes.astype(np.uint16).sum(axis=2) + 1) // 3).astype(np.uint8)
    return mean


def load_tensors(weights: Path | None) -> dict[str, Tensor]:
    """Return the tensors of ``weights``, or of the file that ships with the package.

    Raises:
        SetupError: there is no such file, or it is not a safetensors file of this format.
    """
    path = weights or resources.files("models") / "hci-learned" / "weights.safetensors"
    try:
        return safetensors.torch.load(path.read_bytes())
    except OSError as error:
        raise SetupError(
            f"no weights of hci-learned at {path}: install the package again, use the av1 coder, or train them "
            "(training/README.md)"
        ) from error
    except (SafetensorError, ValueError, KeyError) as error:
        raise SetupError(
            f"weights of hci-learned at {path} are damaged: install the package again ({error})"
        ) from error
