"""The base of the decoder's own networks: their settings, and the ``config.json`` that holds them.

The files have the layout of diffusers. These classes do without diffusers, which takes a second to import.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from pathlib import Path

WRITTEN_FOR = "0.42.1"
"""The version of diffusers whose layout the files have; files of the networks that diffusers writes say it too."""


class SavedNetwork(nn.Module):
    """A network with the keyword arguments that made it in ``config``."""

    def __init__(self, **config: int | list[int]) -> None:
        super().__init__()
        self.config = config

    def save_config(self, folder: Path) -> None:
        """Write ``config.json`` into ``folder``, which is made if it is not there."""
        folder.mkdir(parents=True, exist_ok=True)
        document = {"_class_name": type(self).__name__, "_diffusers_version": WRITTEN_FOR, **self.config}
        text = json.dumps(document, indent=2, sort_keys=True)
        (folder / "config.json").write_text(text + "\n", encoding="utf-8")
