"""``python -m training.hub.convert_coder FILE FOLDER ARCHITECTURE QUALITY``: weights of CompressAI as safetensors.

CompressAI publishes its weights as pickles. They are read as plain tensors, so no code in them runs. The tables of the
entropy coder are computed here once and stored, so that both ends have the same.
"""

from __future__ import annotations

import argparse
import pickle
import sys
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from shared.errors import InputError, LinkError
from shared.hci.pretrained import ARCHITECTURES, QUALITIES, import_zoo
from training.cache import write_whole


def convert(file: Path, folder: Path, architecture: str, quality: int) -> Path:
    """Write the weights in ``file`` into ``folder`` for the HCI coder ``compressai``, and return the path.

    Raises:
        InputError: the file cannot be read, or is of another architecture.
        SetupError: CompressAI is not installed.
    """
    zoo = import_zoo()
    from compressai.zoo import load_state_dict  # noqa: PLC0415 - after the package is known to be there

    try:
        weights: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
        network = zoo.model_architectures[architecture].from_state_dict(load_state_dict(weights))
    except (OSError, RuntimeError, KeyError, ValueError, AttributeError, EOFError, pickle.UnpicklingError) as error:
        raise InputError(f"{file} holds no weights of {architecture} ({type(error).__name__}); name another") from error
    network.update()
    path = folder / f"{architecture}-{quality}.safetensors"
    tensors = {name: value.contiguous().clone() for name, value in network.state_dict().items()}
    write_whole(path, lambda out: out.write(safetensors.torch.save(tensors)))
    return path


def main(given: list[str] | None = None) -> int:
    """Convert one file; a failure that a user can cause is one line on standard error and exit status 2."""
    parser = argparse.ArgumentParser(prog="python -m training.hub.convert_coder", description=__doc__)
    parser.add_argument("file", type=Path, help="weights as CompressAI publishes them, such as mbt2018-mean-1-e522738d")
    parser.add_argument("folder", type=Path, help="folder to write into; SEMLINK_COMPRESSAI names it afterwards")
    parser.add_argument("architecture", choices=ARCHITECTURES)
    parser.add_argument("quality", type=int, choices=QUALITIES)
    arguments = parser.parse_args(given)
    try:
        print(convert(arguments.file, arguments.folder, arguments.architecture, arguments.quality))
    except LinkError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
