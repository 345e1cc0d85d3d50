"""Caption coder: a range coder with trigram models of words, and of letters for words outside the vocabulary.

It restores any text of up to 10,000 characters that UTF-8 can write. A payload holds the style (`text.py`), the words
and END. A word outside the vocabulary is ESCAPE and its letters (`spelling.py`). Probabilities are integers from tables
(`ngram.py`), so every machine decodes a payload to the same text. The empty caption has an empty payload.
`docs/caption.md` describes the format.
"""

from __future__ import annotations

import functools
import io
import zipfile
import zlib
from importlib import resources
from typing import TYPE_CHECKING, Final

import numpy as np

from shared.caption.ngram import END, ESCAPE, FIRST, Trigrams
from shared.caption.spelling import Spelling
from shared.caption.symbols import BitCounter, Reader, Writer
from shared.caption.text import STYLES, parse, render
from shared.errors import BitstreamError, InputError, SetupError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.resources.abc import Traversable
    from pathlib import Path

    from numpy.typing import NDArray

    from shared.caption.symbols import SymbolSink

MAX_CHARACTERS: Final = 10_000
MAX_SYMBOLS: Final = 4 * MAX_CHARACTERS + 4
"""A foreign letter takes four symbols, other characters take fewer. Style and the ENDs of word and caption follow."""
STYLE_WEIGHTS: Final = np.array([2, 1, 1, 1, 1, 6, 1, 3])
"""Weights by `Style.number`: about half of all captions are sentences, the others tokenised or plain words."""


def encode_caption(text: str) -> bytes:
    """Return the payload of ``text``, coded with the shipped tables.

    Raises:
        InputError: more than 10,000 characters, or half a surrogate pair, which UTF-8 cannot write.
        SetupError: the tables are missing or damaged.
    """
    return caption_coder().encode(text)


def decode_caption(payload: bytes) -> str:
    """Return the text of ``payload``, decoded with the shipped tables.

    Raises:
        BitstreamError: ``encode_caption`` writes no such payload.
        SetupError: the tables are missing or damaged.
    """
    return caption_coder().decode(payload)


@functools.cache
def caption_coder() -> CaptionCoder:
    """Return the coder with the shipped tables, read at the first call."""
    return CaptionCoder()


class CaptionCoder:
    """Encodes and decodes captions. ``words`` is the vocabulary, most frequent first; word i is symbol 2 + i."""

    def __init__(self, tables: Path | None = None) -> None:
        """Load the shipped tables, or the file ``tables``.

        Raises:
            SetupError: they are missing or damaged.
        """
        path = tables or resources.files("models") / "caption" / "language.npz"
        arrays = _load_arrays(path)
        try:
            self.words = tuple(_to_text(arrays["words"]).split("\n"))
            self._model = Trigrams(arrays, "word", FIRST + len(self.words))
            self._spelling = Spelling(arrays, _to_text(arrays["letters"]))
        except (KeyError, ValueError) as error:
            raise SetupError(f"caption tables at {path} are damaged: {error}; install the package again") from error
        self._symbols = {word: symbol for symbol, word in enumerate(self.words, FIRST)}

    def encode(self, text: str) -> bytes:
        """Return the payload of ``text``.

        Raises:
            InputError: more than 10,000 characters, or half a surrogate pair, which UTF-8 cannot write.
        """
        if len(text) > MAX_CHARACTERS:
            raise InputError(f"a caption of {len(text)} characters: at most {MAX_CHARACTERS}; shorten it")
        if any("\ud800" <= letter <= "\udfff" for letter in text):
            raise InputError("a caption with half a surrogate pair, which UTF-8 cannot write; give valid Unicode text")
        if not text:
            return b""
        writer = Writer()
        self.write(writer, text)
        return writer.to_bytes() or b"\0"

    def decode(self, payload: bytes) -> str:
        """Return the text of ``payload``.

        Raises:
            BitstreamError: ``encode`` writes no such payload.
        """
        if not payload:
            return ""
        text = self.read(Reader(payload, MAX_SYMBOLS))
        try:
            again = self.encode(text)
        except InputError as error:
            raise BitstreamError("the caption payload is damaged: it decodes to an invalid caption") from error
        if again != payload:
            raise BitstreamError("the caption payload is damaged: its text encodes to other bytes")
        return text

    def bits(self, text: str) -> float:
        """Return the bits of ``text`` (as for ``encode``) before rounding up to bytes."""
        counter = BitCounter()
        if text:
            self.write(counter, text)
        return counter.bits

    def next_weights(self, symbols: Sequence[int]) -> NDArray[np.int64]:
        """Return the weights ``[2 + words]`` (sum about 2^30) of the next symbol after ``symbols``."""
        return self._model.weights([self._model.start, *symbols])

    def write(self, sink: SymbolSink, text: str) -> None:
        """Append ``text`` (as for ``encode``, not empty) to ``sink``, for streams that hold more than a caption."""
        style, words = parse(text)
        sink.write(STYLE_WEIGHTS, style.number)
        history, block = [self._model.start], 0
        for word in words:
            symbol = self._symbols.get(word, ESCAPE)
            sink.write(self._model.weights(history), symbol)
            history.append(symbol)
            if symbol == ESCAPE:
                block = self._spelling.write(sink, word, block)
        sink.write(self._model.weights(history), END)

    def read(self, reader: Reader) -> str:
        """Return the next text in ``reader``.

        Raises:
            BitstreamError: no encoder writes these bytes.
        """
        style = STYLES[reader.read(STYLE_WEIGHTS)]
        history, words, block = [self._model.start], [], 0
        while (symbol := reader.read(self._model.weights(history))) != END:
            history.append(symbol)
            if symbol == ESCAPE:
                word, block = self._spelling.read(reader, block)
            else:
                word = self.words[symbol - FIRST]
            words.append(word)
        return render(style, words)


def _load_arrays(path: Path | Traversable) -> dict[str, NDArray[np.integer]]:
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
            return dict(arrays)
    except OSError as error:
        raise SetupError(
            f"no caption tables at {path}: install the package again, or make them (training/README.md)"
        ) from error
    except (ValueError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise SetupError(f"caption tables at {path} are damaged: {error}; install the package again") from error


def _to_text(array: NDArray[np.integer]) -> str:
    return array.astype(np.uint8).tobytes().decode()
