"""The pictures of an evaluation, and how many bytes each may take."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from receiver.metrics.names import MAX_PIXELS
from semlink.baselines.vvc import VVC, VvcPicture, find_vvc_pictures
from shared.errors import BudgetError, ConfigError, InputError, PictureError
from shared.files import read_file
from shared.imaging.levels import FULL
from shared.picture import load_picture
from shared.pixels import grey_to_rgb
from shared.printable import cut_bytes, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from shared.imaging.levels import Levels

SUFFIXES = frozenset(
    {
        ".png",
        ".jpg",
        ".jpeg",
        ".webp",
        ".avif",
        ".tif",
        ".tiff",
        ".bmp",
        ".ppm",
        ".pgm",
        ".jp2",
        ".fits",
        ".fit",
        ".fts",
    }
)
DIGEST_CHARACTERS = 6
STEM_BYTES = 150
"""Most bytes of a file's name in the names of results; a file system takes 255 with all that is added."""
NAMED_FILES = 3
"""Files that a note names; it counts the others."""
MIN_FILE_BYTES = 8
"""Header, length, checksum and one byte of a stream in a container; files of other codecs take more."""
QUANTIZER = re.compile(r"q\d+")


@dataclass(frozen=True, slots=True)
class Original:
    """An original: its file, its pixels ``[H, W, 3]`` (three equal channels if grey), and its hash.

    ``digest`` is the SHA-256 of the file, with the levels added unless they are full. ``notes`` are those of
    ``load_picture``.
    """

    file: Path
    pixels: NDArray[np.uint8]
    digest: str
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The file's name without its ending, and a part of the hash, so that names differ where pictures do."""
        return f"{cut_bytes(printable(self.file.stem), STEM_BYTES)}-{self.digest[:DIGEST_CHARACTERS]}"

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.pixels.shape[1], self.pixels.shape[0]

    @property
    def vvc(self) -> tuple[VvcPicture, ...]:
        """The VVC versions of this picture, if there are any."""
        return find_vvc_pictures(self.file)


@dataclass(frozen=True, slots=True)
class Budget:
    """Most bytes of a file: ``bytes``, or ``bpp`` bits per pixel. ``label`` is the text that the user wrote."""

    label: str
    bytes: int = 0
    bpp: float = 0.0

    def size_for(self, original: Original) -> int:
        """Return the bytes that the budget gives a file of ``original``; 0 if less than one."""
        width, height = original.size
        return self.bytes or int(self.bpp * width * height / 8)

    def bytes_for(self, original: Original) -> int:
        """Return the most bytes of a file of ``original``.

        Raises:
            BudgetError: it is less than one byte. A sender would take 0 for the codec's own rate.
        """
        width, height = original.size
        size = self.size_for(original)
        if size < 1:
            raise BudgetError(
                f"--bytes {self.label} is less than a byte for {width}x{height} pixels; give more bits per pixel"
            )
        return size


@dataclass(frozen=True, slots=True)
class VvcBudgets:
    """Per picture, the bytes of its VVC versions at the quantisers ``labels``, such as ``q52``; at all if empty."""

    labels: tuple[str, ...] = ()

    def find(self, original: Original) -> tuple[VvcPicture, ...]:
        """Return the VVC versions of ``original`` at these quantisers."""
        return tuple(one for one in original.vvc if not self.labels or one.label in self.labels)


def find_pictures(paths: Sequence[Path]) -> list[Path]:
    """Return the files among ``paths`` and the picture files in folders among them, each once, in order.

    In folders, names that begin with a dot are skipped: macOS writes ``._x.png`` beside ``x.png``.

    Raises:
        InputError: a path does not exist or is ``-``, or a folder holds no picture.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            found = sorted(file for file in path.iterdir() if _is_shown(file) and file.is_file())
            if not found:
                raise InputError(f"there is no picture in the folder {path}; give a folder of PNG, JPEG ... files")
            files += found
        elif path.is_file():
            files.append(path)
        elif path.name == "-":
            raise InputError("- (standard input) is not read here: results name pictures by their files")
        else:
            raise InputError(f"there is no file or folder {path}; give existing pictures")
    return list(dict.fromkeys(files))


def _is_shown(file: Path) -> bool:
    return file.suffix.lower() in SUFFIXES and not file.name.startswith(".")


@dataclass(slots=True)
class OriginalReader:
    """Reads originals and collects what the user must know about them.

    Files of the same content are one picture, with the name of the first one.

    Args:
        levels: which values become black and white.
        unreadable: why a picture cannot be used, by file; it is skipped.
        notes: for each conversion or rule, the files that it applies to.
    """

    levels: Levels = FULL
    unreadable: dict[str, str] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)

    def read(self, files: Iterable[Path]) -> Iterator[Original]:
        """Yield the originals in ``files`` one by one."""
        first: dict[str, Path] = {}
        for file in files:
            try:
                original = load_original(file, self.levels)
            except InputError as error:
                self.unreadable[printable(file)] = str(error)
                continue
            same = first.setdefault(original.digest, file)
            if same != file:
                note = f"same content as {printable(same.name)}, which counts once"
                self.notes.setdefault(note, []).append(printable(file.name))
                continue
            for note in original.notes:
                self.notes.setdefault(note, []).append(printable(file.name))
            yield original


def describe_notes(notes: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a line for each note, with the names of the first files that it is about."""
    lines = []
    for note, names in notes.items():
        more = len(names) - NAMED_FILES
        lines.append(f"{', '.join(names[:NAMED_FILES])}{f' and {more} more' if more > 0 else ''}: {note}")
    return lines


def load_original(file: Path, levels: Levels = FULL) -> Original:
    """Read an original.

    Raises:
        InputError: the file cannot be read, is not a picture, or has more than ``MAX_PIXELS``.
    """
    data = read_file(file)
    try:
        picture = load_picture(data, levels)
    except PictureError as error:
        raise PictureError(f"{file}: {error}") from error
    height, width = picture.pixels.shape[:2]
    if width * height > MAX_PIXELS:
        raise PictureError(f"{file} has {width}x{height} pixels; an evaluation takes {MAX_PIXELS} at most; resize it")
    changed = b"" if levels == FULL else f"\0levels {levels.text}".encode()
    return Original(file, grey_to_rgb(picture.pixels), hashlib.sha256(data + changed).hexdigest(), picture.notes)


def parse_budgets(text: str) -> list[Budget] | VvcBudgets:
    """Return the budgets in ``text``: ``800,0.02bpp``, or ``vvc``, or some of VVC's quantisers as ``q50,q54``.

    Raises:
        ConfigError: ``text`` is something else.
    """
    parts = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if parts == [VVC]:
        return VvcBudgets()
    if parts and all(QUANTIZER.fullmatch(part) for part in parts):
        return VvcBudgets(tuple(parts))
    budgets = [_parse_budget(part) for part in parts]
    if not budgets:
        raise ConfigError("--bytes names no budget; give bytes or bits per pixel, such as 800,0.02bpp, or vvc")
    return list(dict.fromkeys(budgets))


def _parse_budget(text: str) -> Budget:
    bits = text.endswith("bpp")
    try:
        value = float(text[:-3]) if bits else int(text)
    except ValueError as error:
        rule = "give whole bytes, bits per pixel such as 0.02bpp, or vvc or q52 alone"
        raise ConfigError(f"--bytes {text}: {rule}") from error
    if not 0 < value <= (24 if bits else 1 << 20):
        raise ConfigError(f"--bytes {text}: give 1 to {1 << 20} bytes, or 0 to 24 bits per pixel")
    return Budget(text, bpp=float(value)) if bits else Budget(text, bytes=int(value))
