"""Standard input and output: as files named ``-``, and where the caller has closed them."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from shared.errors import InputError
from shared.files import read_file, write_file
from shared.rpc.limits import MAX_PICTURE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

STANDARD: Final = Path("-")
"""Stands for standard input or output; a file of this name is given by its full path."""


def open_streams() -> None:
    """Make standard input, output and error usable, whatever the caller has closed and whatever names are printed.

    A closed one would be taken by the next file that is opened, and a library's message would end in that file.
    Characters that the encoding of the terminal lacks are printed as escapes.
    """
    for number, flags in ((0, os.O_RDONLY), (1, os.O_WRONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, flags)  # takes the lowest number that is free
    sys.stdin = sys.stdin or open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - open to the end
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def read_input(path: Path) -> bytes:
    """Return the bytes of ``path``, or of standard input if it is ``-``.

    Raises:
        InputError: it cannot be read, or exceeds the services' limit.
    """
    if path != STANDARD:
        return read_file(path)
    data = sys.stdin.buffer.read(MAX_PICTURE_BYTES + 1)
    if len(data) > MAX_PICTURE_BYTES:
        raise InputError(f"standard input is longer than {MAX_PICTURE_BYTES} bytes, the limit of a service: shrink it")
    return data


def write_output(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path``, or to standard output if it is ``-``.

    Raises:
        InputError: the file cannot be written.
    """
    if path != STANDARD:
        write_file(path, data)
        return
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


@contextlib.contextmanager
def print_beside(out: Path | None) -> Iterator[None]:
    """Print what the block prints to standard error if ``out`` is standard output."""
    with contextlib.redirect_stdout(sys.stderr) if out == STANDARD else contextlib.nullcontext():
        yield
