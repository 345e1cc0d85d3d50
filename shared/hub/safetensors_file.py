"""Checks a safetensors file by its header, without reading the weights.

The format: 8 bytes with the header's length, a JSON header with type, shape and place of each tensor, then the data.
https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Final

from shared.errors import SetupError

if TYPE_CHECKING:
    from pathlib import Path

LENGTH_BYTES: Final = 8
MAX_HEADER_BYTES: Final = 100 << 20
LFS_POINTER: Final = b"version https://git-lfs"


def count_values(path: Path, remedy: str) -> int:
    """Return the number of weights in ``path``. Error messages end with ``remedy``.

    Raises:
        SetupError: the file is missing or cut short, or is no safetensors file.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(max(LENGTH_BYTES, len(LFS_POINTER)))
            if start.startswith(LFS_POINTER):
                raise SetupError(f"{path} is a git-lfs pointer, not the weights; {remedy}")
            length = int.from_bytes(start[:LENGTH_BYTES], "little")
            if not 2 <= length <= min(MAX_HEADER_BYTES, size - LENGTH_BYTES):
                raise SetupError(f"{path} is damaged, it is no safetensors file; {remedy}")
            file.seek(LENGTH_BYTES)
            header = json.loads(file.read(length))
        end, values = _measure(header)
    except OSError as error:
        raise SetupError(f"{path} cannot be read ({error.strerror}); {remedy}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise SetupError(f"{path} is damaged, its safetensors header is not valid; {remedy}") from error
    expected = LENGTH_BYTES + length + end
    if size != expected:
        raise SetupError(f"{path} is damaged, it has {size} bytes and its header says {expected}; {remedy}")
    return values


def _measure(header: dict[str, Any]) -> tuple[int, int]:
    """Return where the data ends, and the number of values."""
    tensors = [one for name, one in header.items() if name != "__metadata__"]
    end = max((int(one["data_offsets"][1]) for one in tensors), default=0)
    return end, sum(math.prod(map(int, one["shape"])) for one in tensors)
