"""The TOKENS stream: 8 to 64 codes of a finite scalar quantiser (FSQ, Mentzer et al. 2024), range-coded.

The payload starts with one byte: the kind in the top bit, a zero bit, and the number of tokens minus one in six bits.
The codes follow; each has the probability table of its kind and position. A token is one of 64 codes: three numbers of
four levels. See ``docs/tokens.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from shared.errors import BitstreamError, ConfigError, SetupError
from shared.range_coding import RangeReader, RangeWriter, table_model

if TYPE_CHECKING:
    from numpy.typing import NDArray

QUANTISER_LEVELS: Final = (4, 4, 4)
CODES: Final = 64
MIN_TOKENS, MAX_TOKENS = 8, 64

_KIND_SHIFT, _COUNT_MASK = 7, 0x3F


class TokenKind(IntEnum):
    """Kind of the tokens."""

    SPW = 0
    """Semantic pseudo-words: they describe the picture alone (task-aware semantic compression module of MTGC)."""
    RSRT = 1
    """Reconstruction-aware semantic residual tokens (SDGIC): they add what the caption and the highly compressed image
    (HCI) leave out."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """``codes`` holds 8 to 64 codes, 0 to 63. Each code refines the ones before it.

    Raises:
        ConfigError: the number of tokens or a code is out of range.
    """

    kind: TokenKind
    codes: tuple[int, ...]

    def __post_init__(self) -> None:
        if not MIN_TOKENS <= len(self.codes) <= MAX_TOKENS:
            raise ConfigError(f"{len(self.codes)} tokens: give {MIN_TOKENS} to {MAX_TOKENS}")
        wrong = next((code for code in self.codes if not 0 <= code < CODES), None)
        if wrong is not None:
            raise ConfigError(f"token code {wrong}: codes are 0 to {CODES - 1}")

    def numbers(self) -> NDArray[np.float32]:
        """Return the codes as the quantiser's numbers ``[N, 3]``, -1 to 0.5 in steps of 0.5."""
        codes = np.array(self.codes, np.int64)[:, None]
        steps = np.array(QUANTISER_LEVELS)
        basis = np.cumprod([1, *QUANTISER_LEVELS[:-1]])
        numbers: NDArray[np.float32] = ((codes // basis % steps - steps // 2) / (steps // 2)).astype(np.float32)
        return numbers


def encode_tokens(tokens: Tokens) -> bytes:
    """Return the payload of a TOKENS stream."""
    writer = RangeWriter()
    for code, model in zip(tokens.codes, _models(tokens.kind), strict=False):
        writer.write(np.array([code], np.int32), model)
    return bytes([tokens.kind << _KIND_SHIFT | len(tokens.codes) - 1]) + writer.to_bytes()


def longest_payload_bytes(count: int) -> int:
    """Return the bytes of ``count`` tokens if all codes are equally likely, which is about the worst case."""
    return 2 + -(-count * (CODES - 1).bit_length() // 8)


def decode_tokens(payload: bytes) -> Tokens:
    """Return the tokens in ``payload``, the exact inverse of ``encode_tokens``.

    Raises:
        BitstreamError: no sender writes this payload.
    """
    if not payload:
        raise BitstreamError("the TOKENS payload is empty: it starts with a byte of kind and number")
    kind, count = TokenKind(payload[0] >> _KIND_SHIFT), (payload[0] & _COUNT_MASK) + 1
    if payload[0] & ~(1 << _KIND_SHIFT | _COUNT_MASK) or count < MIN_TOKENS:
        raise BitstreamError(
            f"the TOKENS payload starts with 0x{payload[0]:02x}: there are at least {MIN_TOKENS} tokens"
        )
    reader = RangeReader(payload[1:], "TOKENS")
    codes = tuple(int(reader.read(1, model)[0]) for model in _models(kind)[:count])
    reader.finish()
    return Tokens(kind, codes)


def _models(kind: TokenKind) -> list[Any]:
    """Return the probability model of each place.

    Raises:
        SetupError: the tables that ship are damaged.
    """
    with resources.files(__package__).joinpath("counts.npy").open("rb") as file:
        try:
            counts = np.load(file)
        except ValueError as error:
            raise SetupError("shared/tokens/counts.npy is damaged: install the package again") from error
    if counts.shape != (len(TokenKind), MAX_TOKENS, CODES) or counts.dtype != np.uint16 or counts.min() < 1:
        raise SetupError("shared/tokens/counts.npy is damaged: install the package again")
    return [table_model(row) for row in counts[kind]]
