"""Where training pictures lie, and readers of the files that hold them.

A row of a parquet file holds ``image`` (an encoded picture), ``width``, ``height``, ``captions`` and ``source``.
"""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image

from shared.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

REPOSITORY: Final = Path(__file__).resolve().parents[1]
DATA: Final = REPOSITORY.parent / "shared" / "data"
"""Pictures that the repository does not hold: folders ``train``, ``kodak``, ``mars`` and ``vvc`` beside it."""
TRAIN: Final = DATA / "train"
TRAINING_FILES: Final = "train-*.parquet"
VALIDATION_FILE: Final = "val.parquet"
BSDS500_FILE: Final = "train-4-of-8.parquet"
BSDS500_SOURCE: Final = "bsds500"
"""Pictures of this source in this file are for measurements at 481×321: the latent recipe does not train on them."""
UNREADABLE: Final = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, Image.DecompressionBombError)
"""What Pillow raises for a file that is no picture."""
ROWS: Final = 64


def find_training_files(folder: Path, pattern: str = TRAINING_FILES) -> list[Path]:
    """Return the parquet files ``pattern`` in ``folder``, sorted by name.

    Raises:
        SetupError: there are none.
    """
    files = sorted(folder.glob(pattern))
    if not files:
        raise SetupError(f"no {pattern} in {folder}: name the folder of the training pictures with --data")
    return files


def read_rows(file: Path, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the rows of a parquet file, with those of ``columns`` that it has.

    Raises:
        SetupError: the file is missing or damaged.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415 - only training needs it

    try:
        table = pq.ParquetFile(file)
        present = [name for name in columns if name in table.schema_arrow.names]
        for batch in table.iter_batches(batch_size=ROWS, columns=present):
            yield from batch.to_pylist()
    except FileNotFoundError as error:
        raise SetupError(f"no file {file}: name the folder of the training pictures with --data") from error
    except (OSError, ValueError) as error:  # pyarrow's own errors are among them
        raise SetupError(f"{file} is damaged ({' '.join(str(error).split())}): fetch it anew") from error


def read_pictures(file: Path) -> Iterator[bytes]:
    """Yield the encoded pictures of a parquet file.

    Raises:
        SetupError: the file is missing or damaged, or has no pictures.
    """
    for row in read_rows(file, ["image"]):
        if "image" not in row:
            raise SetupError(f"{file} has no column 'image': fetch it anew")
        yield row["image"]


def decode_rgb(picture: bytes | Path) -> NDArray[np.uint8]:
    """Return the pixels of an encoded picture or of a picture file, uint8 ``[H, W, 3]``."""
    with Image.open(io.BytesIO(picture) if isinstance(picture, bytes) else picture) as image:
        return np.asarray(image.convert("RGB"))


def is_held_out(file: Path, source: str) -> bool:
    """Return whether a picture of ``file`` is held out for measurements."""
    return file.name == BSDS500_FILE and source == BSDS500_SOURCE
