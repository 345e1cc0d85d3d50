"""Where the pocket decoder's weights are, and what their ``config.json`` says. Needs no torch."""

from __future__ import annotations

import json
import os
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.errors import ConfigError, SetupError
from shared.validation import validate

CONFIG_NAME = "config.json"
FOLDER_VARIABLE = "SEMLINK_POCKET"
"""Environment variable that names a folder of other weights in the same layout."""


class PocketConfig(BaseModel):
    """What the weights were trained for, and the settings that measured best with them.

    ``sigma`` is the noise added to the restored latent, where the flow starts; ``steps`` and ``fidelity`` are the
    decoder's defaults, fidelity for HCIs of a quarter of the picture's size and less. ``sha256`` holds the hash of each
    network's weights file, by the name of its folder; a folder without one is taken as it is.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    version: Literal[1] = 1
    sigma: Annotated[float, Field(gt=0, le=10)] = 0.2
    steps: Annotated[int, Field(ge=0, le=4)] = 1
    fidelity: Annotated[float, Field(ge=0, le=1)] = 1.0
    text_width: Annotated[int, Field(ge=1)] = 384
    sha256: dict[str, str] = Field(default_factory=dict)


def weights_folder() -> Path:
    """Return the folder that the environment variable ``SEMLINK_POCKET`` names, or that of the weights that ship."""
    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named) if named else Path(str(resources.files("models") / "pocket"))


def way_out() -> str:
    """Return what to do about weights that are not as they must be."""
    first = "install the package again"
    if os.environ.get(FOLDER_VARIABLE):
        first = f"have {FOLDER_VARIABLE} name another folder, or unset it"
    return f"{first}, use --decoder hci, or train them (training/README.md)"


def config_in(folder: Path) -> PocketConfig:
    """Return the configuration of the weights in ``folder``.

    Raises:
        SetupError: there is none, or it is not as this version expects.
    """
    path = folder / CONFIG_NAME
    try:
        values = json.loads(path.read_bytes())
    except OSError as error:
        raise SetupError(f"no weights of the pocket decoder: {path} cannot be read; {way_out()}") from error
    except ValueError as error:
        raise SetupError(f"{path} is damaged, it is not JSON; {way_out()}") from error
    if not isinstance(values, dict):
        raise SetupError(f"{path} is damaged, it holds no settings; {way_out()}")
    try:
        return validate(PocketConfig, values)
    except ConfigError as error:
        raise SetupError(f"{path} does not fit this version: {error}; {way_out()}") from error
