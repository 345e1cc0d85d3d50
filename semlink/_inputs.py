"""What a caller of the Python API may hand in: pictures and channels in their usual forms."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from shared.errors import InputError
from shared.files import read_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    PictureInput: TypeAlias = str | Path | bytes | Image.Image | NDArray[np.uint8]
    ChannelInput: TypeAlias = str | Path | Mapping[str, Any]


_PNG_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I", "I;16")


def picture_bytes(picture: PictureInput) -> bytes:
    """Return ``picture`` as a picture file: a path, a file's bytes, a Pillow image, or uint8 ``[H, W, 3]``/``[H, W]``.

    Raises:
        InputError: it is none of these, or the file cannot be read.
    """
    if isinstance(picture, bytes):
        return picture
    if isinstance(picture, str | Path):
        return read_file(Path(picture))
    import numpy as np  # noqa: PLC0415

    from shared.picture import encode_png  # noqa: PLC0415 - imports Pillow

    if isinstance(picture, np.ndarray):
        if picture.dtype != np.uint8 or not picture.size or picture.shape[2:] not in ((), (3,)) or picture.ndim < 2:
            raise InputError(
                f"an array of {picture.dtype} {list(picture.shape)}: give uint8 [height, width, 3] or [height, width]"
            )
        return encode_png(picture)
    return _image_bytes(picture)


def _image_bytes(image: Any) -> bytes:
    import io  # noqa: PLC0415

    from PIL import Image  # noqa: PLC0415

    if not isinstance(image, Image.Image):
        raise InputError(f"{type(image).__name__} is no picture: give a path, bytes, a Pillow image or a uint8 array")
    out = io.BytesIO()
    try:
        mode = {"La": "LA", "RGBa": "RGBA", "PA": "RGBA"}.get(image.mode, "RGB")
        writable = image if image.mode in _PNG_MODES else image.convert(mode)
        writable.save(out, "PNG", exif=image.getexif())  # with its orientation, as in a file
    except (OSError, ValueError) as error:
        raise InputError(f"this Pillow image cannot be read: {error}; give an intact image") from error
    return out.getvalue()
