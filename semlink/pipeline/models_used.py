"""Which models a decoder's pictures are made with: ids, revisions, and a hash of weights and settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from receiver.decoder_registry import DEFAULT_DECODER, is_profile
from semlink.pipeline.coding_spec import REAL_ESRGAN
from shared.hub.files import hash_profile
from shared.hub.layout import DECODER_ROLES, parts_of
from shared.hub.registry import load_profile

if TYPE_CHECKING:
    from semlink.pipeline.coding_spec import CodingSpec


@dataclass(frozen=True, slots=True)
class ModelsUsed:
    """``models`` is a decoder's name, or the ids of a profile's models with their revisions, separated by spaces.

    ``sha256`` is a hash over all weights, and over the profile's settings. Both are empty for a classical codec.
    """

    models: str = ""
    sha256: str = ""


def models_used(spec: CodingSpec, weights: str) -> ModelsUsed:
    """Return the models that the decoder of ``spec`` uses. Results of other models are other results.

    ``weights`` is the hash of the weights that ship, or that ``SEMLINK_POCKET`` names (``pipeline/fingerprint.py``).

    Raises:
        SetupError: the files of a model profile are missing or damaged.
    """
    if spec.is_classical:
        return ModelsUsed()
    decoder = spec.decoder or DEFAULT_DECODER
    if decoder == REAL_ESRGAN or not is_profile(decoder):
        return ModelsUsed(decoder, weights)
    profile = load_profile(decoder)
    sources = [part.source for part in parts_of(profile) if part.role in DECODER_ROLES]
    models = " ".join(f"{one.at}@{one.revision}" if one.revision else one.at for one in sources)
    return ModelsUsed(models, hash_profile(profile, DECODER_ROLES))
