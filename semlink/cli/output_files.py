"""Files that commands write: refused before any work is done if they cannot be written."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from semlink.cli.report_text import damaged_streams
from semlink.cli.standard_streams import STANDARD, require_no_terminal
from shared.errors import InputError
from shared.files import write_file

if TYPE_CHECKING:
    from semlink.pipeline.transfer import Decoded, Preview


def make_folder(path: Path, option: str) -> None:
    """Make the folder ``path`` that ``option`` names, if it is not there.

    Raises:
        InputError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {path}: {error.strerror}; choose another with {option}") from error


def require_output(path: Path, *inputs: Path) -> None:
    """Check that ``path``, a file or ``-`` for standard output, can be written and is none of ``inputs``.

    Raises:
        InputError: the folder does not exist or is not writable, ``path`` is not a file, it is an input,
            or standard output is a terminal.
    """
    require_no_terminal(path)
    if path == STANDARD:
        return
    if not path.parent.is_dir():
        raise InputError(f"cannot write {path}: there is no folder {path.parent}; make it first")
    try:
        tempfile.TemporaryFile(dir=path.parent).close()  # permission bits do not tell: root, read-only file systems
    except OSError as error:
        reason = error.strerror or error
        raise InputError(
            f"cannot write {path}: {path.parent} takes no file ({reason}); choose another folder"
        ) from error
    if path.exists():
        if not path.is_file():
            raise InputError(f"cannot write {path}: it exists and is not a file; choose another name")
        if any(given.exists() and path.samefile(given) for given in inputs):
            raise InputError(f"cannot write {path}: it is an input of this command; choose another name")


def require_png(path: Path, *inputs: Path) -> None:
    """Check as ``require_output``, and that the name of a file ends in ``.png``.

    Raises:
        InputError: ``path`` fails a check.
    """
    if path.suffix.lower() != ".png" and path != STANDARD:
        raise InputError(f"cannot write {path}: pictures are written as PNG; give a name that ends in .png")
    require_output(path, *inputs)


@dataclass(frozen=True)
class OutputOptions:
    """Files that a decoding command writes beside the picture."""

    PANEL: ClassVar = "Output"

    trust: Annotated[
        Path | None,
        typer.Option(
            "--trust",
            help="Write the trust map: one pixel per 16x16 block, white for received, black for invented.",
            metavar="FILE.png",
        ),
    ] = None
    progressive: Annotated[
        Path | None,
        typer.Option(
            "--progressive",
            help="Write the picture again whenever more of it has arrived: preview-001.png ...",
            metavar="FOLDER",
        ),
    ] = None

    def require(self, *others: Path | None) -> None:
        """Check that the outputs can be written and are none of ``others``; make the folder of the previews.

        Raises:
            InputError: an output fails a check.
        """
        given = [other for other in others if other is not None]
        if self.trust is not None:
            require_png(self.trust, *given)
            if any(self.trust.absolute() == other.absolute() for other in given):
                raise InputError(f"cannot write the trust map to {self.trust}: the picture goes there; name another")
        if self.progressive is not None:
            make_folder(self.progressive, "--progressive")

    def write_preview(self, preview: Preview) -> None:
        """Write one preview, if previews were asked for."""
        if self.progressive is not None:
            write_file(self.progressive / f"preview-{preview.number:03d}.png", preview.png)

    def write_trust(self, decoded: Decoded) -> None:
        """Write the trust map, if it was asked for and the decoder made one."""
        if self.trust is not None and decoded.trust_png:
            write_file(self.trust, decoded.trust_png)

    def notes(self, decoded: Decoded) -> list[str]:
        """Return what the user must know about the picture."""
        report = decoded.report
        notes = [f"{report.reason}: nothing of this picture was received"] if report.invented else []
        if report.rebuilt and not report.invented and (damaged := damaged_streams(report)):
            notes.append(f"{', '.join(damaged)} arrived but cannot be decoded: not used for the picture")
        if self.trust is not None and not decoded.trust_png:
            why = f"decoder '{report.decoder}' makes none" if report.rebuilt else "there is no picture"
            notes.append(f"no trust map was written to {self.trust}: {why}")
        return notes
