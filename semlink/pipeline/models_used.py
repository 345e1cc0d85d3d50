"""Which models a codec's pictures are made with: ids, revisions, and a hash of weights and settings."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from receiver.decoder_registry import DEFAULT_DECODER, is_profile
from semlink.pipeline.coding_spec import REAL_ESRGAN
from shared.hub.files import DIGEST_CHARACTERS, hash_profile
from shared.hub.layout import DECODER_ROLES, SENDER_ROLES, parts_of
from shared.hub.registry import load_profile

if TYPE_CHECKING:
    from semlink.pipeline.coding_spec import CodingSpec


@dataclass(frozen=True, slots=True)
class ModelsUsed:
    """``models`` are ids of models with their revisions, and names of decoders that ship, separated by spaces.

    ``sha256`` is a hash over all weights, and over the profiles' settings. Both are empty for a classical codec.
    """

    models: str = ""
    sha256: str = ""


def models_used(spec: CodingSpec, weights: str) -> ModelsUsed:
    """Return the models of the decoder of ``spec``, and of its captioner if a profile has it.

    Results of other models are other results. Decoders of profiles start from the picture of the pocket decoder.

    ``weights`` is the hash of the weights that ship, or that ``SEMLINK_POCKET`` names (``pipeline/fingerprint.py``).

    Raises:
        SetupError: the files of a model profile are missing or damaged.
    """
    if spec.is_classical:
        return ModelsUsed()
    decoder = spec.decoder or DEFAULT_DECODER
    if decoder == REAL_ESRGAN or not is_profile(decoder):
        models, hashes = [decoder], [weights]
    else:
        models, digest = _models_of(decoder, DECODER_ROLES)
        models, hashes = [*models, DEFAULT_DECODER], [digest, weights]
    if spec.captioner:
        words, digest = _models_of(spec.captioner, SENDER_ROLES)
        models, hashes = [*models, *words], [*hashes, digest]
    joined = hashlib.sha256(" ".join(hashes).encode()).hexdigest()[:DIGEST_CHARACTERS]
    return ModelsUsed(" ".join(models), joined if len(hashes) > 1 else weights)


def _models_of(name: str, roles: tuple[str, ...]) -> tuple[list[str], str]:
    """Return the ids of the models of a profile in ``roles``, and a hash over them."""
    profile = load_profile(name)
    sources = [part.source for part in parts_of(profile) if part.role in roles]
    models = [f"{one.at}@{one.revision}" if one.revision else one.at for one in sources]
    return models, hash_profile(profile, roles)
