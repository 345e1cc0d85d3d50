"""Options and arguments of the commands that read pictures, and how they read them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from semlink._inputs import change_levels, name_picture
from semlink.cli.standard_streams import read_input

if TYPE_CHECKING:
    from semlink._inputs import PictureFile

PicturePath = Annotated[
    Path,
    typer.Argument(
        help="Picture file: PNG, JPEG, WebP, AVIF, TIFF, FITS ...; - reads standard input.", metavar="PICTURE"
    ),
]
_LEVELS: Final[dict[str, Any]] = {
    "help": "Values that become black and white where a picture has more than 8 bits: full (the format's), auto "
    "(nearly all of the picture's own), or two values as 0:4095.",
    "metavar": "full|auto|LOW:HIGH",
}
Levels = Annotated[str, typer.Option("--levels", **_LEVELS)]
LevelsOverFile = Annotated[str | None, typer.Option("--levels", show_default="full", **_LEVELS)]
"""For a command that has a file of settings: None leaves the choice to the file."""


def read_picture(path: Path, levels: str) -> PictureFile:
    """Return the picture in ``path`` with ``levels``; a wrong file is refused before the link is imported.

    Raises:
        InputError: it cannot be read, or is not a picture.
        ConfigError: the levels are not ``full``, ``auto`` or ``LOW:HIGH``.
    """
    from shared.picture import require_picture  # imports Pillow

    with name_picture(path):
        data = read_input(path)
        require_picture(data)
        return change_levels(data, levels)
