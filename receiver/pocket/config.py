"""The folder of the pocket decoder's weights, and its ``config.json``. Needs no torch."""

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
"""Environment variable with the folder of other weights in the same layout."""


class PocketConfig(BaseModel):
    """Settings that belong to the weights.

    ``steps`` and ``fidelity`` are the decoder's defaults; ``fidelity`` holds for HCIs (highly compressed images) of a
    quarter of the picture's size and less. ``sha256`` holds the hash of each network's weights file, by the name of its
    folder; a file without a hash is not checked.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    version: Literal[2] = 2
    steps: Annotated[int, Field(ge=0, le=4)] = 1
    fidelity: Annotated[float, Field(ge=0, le=1)] = 1.0
    text_width: Annotated[int, Field(ge=1)] = 384
    sha256: dict[str, str] = Field(default_factory=dict)


def weights_folder() -> Path:
    """Return the folder in the environment variable ``SEMLINK_POCKET``, else the folder of the shipped weights."""
    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named) if named else Path(str(resources.files("models") / "pocket"))


def weights_hint() -> str:
    """Return what to do if the weights are missing or wrong."""
    first = "install the package again"
    if os.environ.get(FOLDER_VARIABLE):
        first = f"set {FOLDER_VARIABLE} to another folder, or unset it"
    return f"{first}, use --decoder hci, or train them (training/README.md)"


def read_config(folder: Path) -> PocketConfig:
    """Return the configuration of the weights in ``folder``.

    Raises:
        SetupError: the file is missing, or does not fit this version.
    """
    path = folder / CONFIG_NAME
    try:
        values = json.loads(path.read_bytes())
    except OSError as error:
        raise SetupError(f"no weights of the pocket decoder: {path} cannot be read; {weights_hint()}") from error
    except ValueError as error:
        raise SetupError(f"{path} is damaged, it is not JSON; {weights_hint()}") from error
    if not isinstance(values, dict):
        raise SetupError(f"{path} is damaged, it holds no settings; {weights_hint()}")
    try:
        return validate(PocketConfig, values)
    except ConfigError as error:
        raise SetupError(f"{path} does not fit this version: {error}; {weights_hint()}") from error
