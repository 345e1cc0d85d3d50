"""Codes words letter by letter, in any script."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from shared.caption.ngram import END, ESCAPE, FIRST, Trigrams

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from shared.caption.symbols import Reader, SymbolSink

BLOCK: Final = 128
"""Code points per block. A foreign letter is often in the same block as the foreign letter before it."""
BASIC_BLOCKS: Final = 0x10000 // BLOCK
BLOCKS: Final = 0x110000 // BLOCK
ANYWHERE, BASIC, SAME = 0, 1, 2
_WHERE: Final = np.array([1, 3, 4])
_ANY_BLOCK: Final = np.ones(BLOCKS, np.int64)
_BASIC_BLOCK: Final = np.ones(BASIC_BLOCKS, np.int64)
_PLACE: Final = np.ones(BLOCK, np.int64)


class Spelling:
    """Codes letters of the alphabet with trigrams, and foreign letters as ESCAPE and their code point.

    Raises:
        KeyError, ValueError: the tables are damaged.
    """

    def __init__(self, tables: Mapping[str, NDArray[np.integer]], letters: str) -> None:
        self._letters = letters
        self._symbols = {letter: symbol for symbol, letter in enumerate(letters, FIRST)}
        self._model = Trigrams(tables, "letter", FIRST + len(letters))

    def write(self, sink: SymbolSink, word: str, block: int) -> int:
        """Append ``word``. ``block`` is the block of the last foreign letter before it; return that after it."""
        history = [self._model.start]
        for letter in word:
            symbol = self._symbols.get(letter, ESCAPE)
            sink.write(self._model.weights(history), symbol)
            history.append(symbol)
            if symbol == ESCAPE:
                block = self._write_foreign(sink, ord(letter), block)
        sink.write(self._model.weights(history), END)
        return block

    def read(self, reader: Reader, block: int) -> tuple[str, int]:
        """Return the next word and, as ``write`` does, the block.

        Raises:
            BitstreamError: the bytes are damaged.
        """
        history, letters = [self._model.start], []
        while (symbol := reader.read(self._model.weights(history))) != END:
            history.append(symbol)
            if symbol == ESCAPE:
                where = reader.read(_WHERE)
                if where != SAME:
                    block = reader.read(_BASIC_BLOCK if where == BASIC else _ANY_BLOCK)
                letters.append(chr(block * BLOCK + reader.read(_PLACE)))
            else:
                letters.append(self._letters[symbol - FIRST])
        return "".join(letters), block

    @staticmethod
    def _write_foreign(sink: SymbolSink, code_point: int, before: int) -> int:
        block, place = divmod(code_point, BLOCK)
        where = SAME if block == before else BASIC if block < BASIC_BLOCKS else ANYWHERE
        sink.write(_WHERE, where)
        if where != SAME:
            sink.write(_BASIC_BLOCK if where == BASIC else _ANY_BLOCK, block)
        sink.write(_PLACE, place)
        return block
