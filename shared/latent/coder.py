"""Codes channels of a latent, as "Generative Semantic Coding" (GSC), section 3.2: channel ids, then samples.

One range-coded stream holds the number of channels, their ids, then one channel after the other in the order of the
ids. Probabilities are integer tables (``tables.py``) and contexts are integer sums (``context.py``), so all machines
write the same bytes.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import constriction
import numpy as np

from shared.bitstream import MAX_SIDE
from shared.errors import BitstreamError, ConfigError
from shared.latent.context import STEPS, cross_channel_sums, neighbours
from shared.latent.layout import LATENT_CHANNELS, VALUE_MAX, latent_size
from shared.latent.tables import RADIUS, SYMBOLS, LatentTables, categorical, load_tables
from shared.range_coding import shortest_bytes, to_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from shared.latent.context import Integers


@dataclass(frozen=True, eq=False)
class LatentChannels:
    """Some channels of a latent.

    ``values`` is int16 ``[C, h, w]`` in quantiser steps; ``values[k]`` is the channel ``ids[k]``.
    """

    ids: tuple[int, ...]
    values: NDArray[np.int16]


def encode_latent(values: NDArray[np.integer], ids: Sequence[int], tables: LatentTables | None = None) -> bytes:
    """Return the payload of the channels ``ids`` of ``values`` ``[32, h, w]``, integers in -127 to 127.

    Raises:
        ConfigError: ``ids`` is empty, has a duplicate or an id outside 0..31, or ``values`` have another shape, type or
            range.
    """
    chosen = tuple(sorted(int(index) for index in ids))
    if not chosen or len(set(chosen)) != len(chosen) or chosen[0] < 0 or chosen[-1] >= LATENT_CHANNELS:
        raise ConfigError(
            f"channels {list(ids)} of the latent: name 1 to {LATENT_CHANNELS} different ones "
            f"in 0..{LATENT_CHANNELS - 1}"
        )
    if values.ndim != 3 or values.shape[0] != LATENT_CHANNELS or not values.size or values.dtype.kind not in "iu":
        raise ConfigError(
            f"a latent of {values.dtype} {list(values.shape)}: must be integers [{LATENT_CHANNELS}, h, w]"
        )
    samples = values[list(chosen)].astype(np.int64)
    if np.abs(samples).max() > VALUE_MAX:
        raise ConfigError(f"a latent value of {np.abs(samples).max()}: must be within ±{VALUE_MAX}")
    return _encode(chosen, samples, tables or shipped_tables())


def decode_latent(payload: bytes, width: int, height: int, tables: LatentTables | None = None) -> LatentChannels:
    """Return the channels in ``payload`` of a picture of ``width`` x ``height`` pixels, ids ascending.

    Raises:
        BitstreamError: ``encode_latent`` writes no such payload for a picture of this size.
    """
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise BitstreamError(f"a latent of a picture of {width}x{height}: sides must be 1 to {MAX_SIDE}")
    tables = tables or shipped_tables()
    decoder = _Decoder(payload)
    try:
        ids = _code_ids(decoder, tables, ())
        samples = np.zeros((len(ids), *latent_size(width, height)), np.int64)
        _code_samples(decoder, tables, ids, samples)
    except (AssertionError, ValueError) as error:  # constriction's "invalid for the employed entropy model"
        raise BitstreamError("the latent payload is damaged: its bytes decode to no symbol") from error
    if _encode(ids, samples, tables) != payload:
        raise BitstreamError(f"the latent payload is damaged: its channels do not encode to these {len(payload)} bytes")
    return LatentChannels(ids, samples.astype(np.int16))


@functools.cache
def shipped_tables() -> LatentTables:
    """Return the tables that ship, loaded once.

    Raises:
        SetupError: they are missing or damaged.
    """
    return load_tables()


class _Coder(Protocol):
    """The encoder writes and returns the ``wanted`` symbols. The decoder reads and returns as many symbols."""

    def code(self, model: constriction.stream.model.Model, wanted: Integers) -> Integers: ...


class _Encoder:
    def __init__(self) -> None:
        self.coder = constriction.stream.queue.RangeEncoder()

    def code(self, model: constriction.stream.model.Model, wanted: Integers) -> Integers:
        self.coder.encode(wanted.astype(np.int32), model)
        return wanted


class _Decoder:
    def __init__(self, payload: bytes) -> None:
        self.coder = constriction.stream.queue.RangeDecoder(to_words(payload))

    def code(self, model: constriction.stream.model.Model, wanted: Integers) -> Integers:
        coded_symbols: Integers = self.coder.decode(model, len(wanted)).astype(np.int64)
        return coded_symbols


def _encode(ids: tuple[int, ...], samples: Integers, tables: LatentTables) -> bytes:
    encoder = _Encoder()
    _code_ids(encoder, tables, ids)
    _code_samples(encoder, tables, ids, samples)
    return shortest_bytes(encoder.coder)


def _code_ids(end: _Coder, tables: LatentTables, wanted: tuple[int, ...]) -> tuple[int, ...]:
    """Code the number of channels, then one bit per channel: whether the stream holds it.

    A bit's probability depends on how many channels are still missing. A bit that follows from the number is not coded.
    """
    missing = int(end.code(tables.number_model, np.array([len(wanted) - 1]))[0]) + 1
    ids: list[int] = []
    for channel in range(LATENT_CHANNELS):
        if missing in (0, LATENT_CHANNELS - channel):
            there = missing > 0
        else:
            model = categorical(tables.arrays["chosen"][channel, missing])
            there = bool(end.code(model, np.array([channel in wanted]))[0])
        if there:
            ids.append(channel)
            missing -= 1
    return tuple(ids)


def _code_samples(end: _Coder, tables: LatentTables, ids: tuple[int, ...], samples: Integers) -> None:
    """Code ``samples`` ``[C, h, w]`` in the order of the stream. The decoder fills them in."""
    height, width = samples.shape[1:]
    places = [step.places(height, width) for step in STEPS]
    signed = np.zeros((height, width, len(ids), 2), np.int64)
    absolute = np.zeros_like(signed)
    for index, channel in enumerate(ids):
        wanted = samples[index].copy()
        coded = samples[index]
        coded[:] = 0
        for number, (step, (rows, columns)) in enumerate(zip(STEPS, places, strict=True)):
            near = neighbours(coded, step, rows, columns)
            known = (signed[rows, columns, :index], absolute[rows, columns, :index])
            whole, tables_used = tables.table_indices(near, *known, number, channel, ids[:index])
            coded[rows, columns] = _code_step(end, tables, tables_used, whole, wanted[rows, columns])
        signed[:, :, index], absolute[:, :, index] = cross_channel_sums(coded)


def _code_step(end: _Coder, tables: LatentTables, used: Integers, whole: Integers, wanted: Integers) -> Integers:
    """Code the samples ``[n]`` of one step, grouped by table."""
    values = np.zeros(len(used), np.int64)
    for table in np.unique(used):
        members = np.flatnonzero(used == table)
        apart = wanted[members] - whole[members]
        coded = np.where(np.abs(apart) > RADIUS, SYMBOLS - 1, apart + RADIUS)
        coded_symbols = end.code(tables.symbol_models[table], coded)
        found = np.clip(whole[members] + coded_symbols - RADIUS, -VALUE_MAX, VALUE_MAX)
        far = coded_symbols == SYMBOLS - 1
        if far.any():
            found[far] = end.code(tables.value_model, wanted[members][far] + VALUE_MAX) - VALUE_MAX
        values[members] = found
    return values
