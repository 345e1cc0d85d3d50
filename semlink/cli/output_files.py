"""Files that commands write: refused before any work is done if they cannot be written."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from semlink.cli.report_text import damaged_streams
from semlink.cli.standard_streams import STANDARD
from shared.errors import InputError
from shared.files import write_or_remove

if TYPE_CHECKING:
    import re

    from semlink.pipeline.transfer import Decoded


def make_folder(path: Path, option: str) -> None:
    """Make the folder ``path`` that ``option`` names, if it is not there.

    Raises:
        InputError: it cannot be made, takes no file, or is ``-``, which stands for standard output.
    """
    if path == STANDARD:
        raise InputError(f"{option} -: several files do not go to standard output; give the name of a folder")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {path}: {error.strerror}; choose another with {option}") from error
    _require_room(path, f"cannot write to {path}", f"choose another with {option}")


def _require_room(folder: Path, refusal: str, way_out: str) -> None:
    """Check that ``folder`` takes a file: permission bits do not tell, for root and on read-only file systems.

    Raises:
        InputError: it does not.
    """
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise InputError(f"{refusal}: {folder} takes no file ({error.strerror or error}); {way_out}") from error


def require_output(path: Path, *inputs: Path) -> None:
    """Check that the file ``path`` can be written and is none of ``inputs``.

    Raises:
        InputError: the folder does not exist or is not writable, ``path`` is not a file, or it is an input.
    """
    if not path.parent.is_dir():
        raise InputError(f"cannot write {path}: there is no folder {path.parent}; make it first")
    _require_room(path.parent, f"cannot write {path}", "choose another folder")
    if path.exists():
        if not path.is_file():
            raise InputError(f"cannot write {path}: it exists and is not a file; choose another name")
        if any(given.exists() and path.samefile(given) for given in inputs):
            raise InputError(f"cannot write {path}: it is an input of this command; choose another name")


def require_result(path: Path, *inputs: Path, png: bool = False) -> None:
    """Check that the result of a command can go to ``path``, which may be ``-`` for standard output.

    Raises:
        InputError: as ``require_output`` or, with ``png``, ``require_png``; or standard output is closed or a terminal.
    """
    if path != STANDARD:
        (require_png if png else require_output)(path, *inputs)
    elif sys.__stdout__ is None:
        raise InputError("standard output is closed: redirect it, or give a file name")
    elif sys.stdout.isatty():
        raise InputError("standard output is a terminal, and the result is binary: redirect it, or give a file name")


def require_png(path: Path, *inputs: Path) -> None:
    """Check as ``require_output``, and that the name ends in ``.png``.

    Raises:
        InputError: ``path`` fails a check.
    """
    if path.suffix.lower() != ".png":
        raise InputError(f"cannot write {path}: pictures are written as PNG; give a name that ends in .png")
    require_output(path, *inputs)


def require_set(folder: Path, names: re.Pattern[str], option: str, *others: Path | None) -> None:
    """Check that a set of files called ``names`` can go to ``folder``, and that none of ``others`` is such a file.

    Raises:
        InputError: the folder fails a check, or one of ``others`` would be overwritten or removed.
    """
    make_folder(folder, option)
    for other in others:
        if other is not None and names.fullmatch(other.name) and other.absolute().parent.samefile(folder):
            raise InputError(
                f"{other} has the name of a file that {option} writes in {folder}; choose another folder with {option}"
            )


@dataclass(frozen=True)
class OutputOptions:
    """Files that a decoding command writes beside the picture."""

    PANEL: ClassVar = "Output"

    trust: Annotated[
        Path | None,
        typer.Option(
            "--trust",
            help="Write the trust map at the picture's size: white for received, black for invented.",
            metavar="FILE.png",
        ),
    ] = None
    trust_overlay: Annotated[
        Path | None,
        typer.Option(
            "--trust-overlay",
            help="Write the picture in grey, tinted by its trust map: yellow for received, blue for invented.",
            metavar="FILE.png",
        ),
    ] = None

    def require(self, *others: Path | None) -> None:
        """Check that the outputs can be written and are none of ``others``.

        Raises:
            InputError: an output fails a check.
        """
        given = [other for other in others if other is not None]
        for path in (self.trust, self.trust_overlay):
            if path is None:
                continue
            if path == STANDARD:
                raise InputError("only the picture goes to standard output: give the trust map a file name")
            require_png(path, *given)
            if any(path.absolute() == other.absolute() for other in given):
                raise InputError(f"cannot write {path}: this command reads or writes it already; name another")
            given.append(path)

    def write_trust(self, decoded: Decoded) -> None:
        """Write the trust map and its overlay, as asked for. Without a map, older files there are removed."""
        if self.trust is None and self.trust_overlay is None:
            return
        from semlink.report.trust_map import enlarge_trust_map, overlay_trust_map

        report, trust = decoded.report, decoded.trust_png
        trust = trust and enlarge_trust_map(trust, report.width, report.height)
        if self.trust is not None:
            write_or_remove(self.trust, trust)
        if self.trust_overlay is not None:
            write_or_remove(self.trust_overlay, trust and overlay_trust_map(decoded.png, trust))

    def notes(self, decoded: Decoded) -> list[str]:
        """Return what the user must know about the picture."""
        report = decoded.report
        notes = [f"{report.reason}: nothing of this picture was received"] if report.invented else []
        if report.rebuilt and not report.invented and (damaged := damaged_streams(report)):
            notes.append(f"{', '.join(damaged)} arrived but cannot be decoded: not used for the picture")
        if not decoded.trust_png:
            why = f"decoder '{report.decoder}' makes none" if report.rebuilt else "there is no picture"
            files = [path for path in (self.trust, self.trust_overlay) if path is not None]
            notes += [f"no trust map was written to {path}: {why}; an older file there is removed" for path in files]
        return notes
