"""A trial of a profile's networks on the smallest picture: shows that they fit together before a picture is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from receiver.hub.conditions import Conditions
from receiver.hub.model import LATENT_SCALE
from receiver.hub.pipeline import HubPipeline
from shared.errors import LinkError, SetupError
from shared.hub.files import replace_hint
from shared.hub.loading import first_line
from shared.latent.coder import LatentChannels
from shared.out_of_memory import report_out_of_memory
from shared.tokens.stream import MIN_TOKENS, TokenKind, Tokens

if TYPE_CHECKING:
    from receiver.hub.model import LatentModel
    from shared.hub.profile import ModelProfile

WIDER = 4
"""Width over height of the picture: maps of half the size must not pass for those of the whole by repetition."""
STEPS = 2
"""Steps of the trial: settings of a scheduler may fit for one step and not for the next."""


def try_networks(model: LatentModel, profile: ModelProfile, device: torch.device) -> None:
    """Run all networks on a black picture of a few latent positions.

    A text encoder, a ControlNet, adapters or an autoencoder of another base have other widths. Each of them loads.

    Raises:
        SetupError: the networks do not fit together, or their output is not finite.
        LimitError: the memory of ``device`` is too small.
        ConfigError: the profile's tiles are too small for the base.
    """
    assert profile.base is not None
    height = LATENT_SCALE * model.multiple
    width = WIDER * height
    pipeline = HubPipeline(model, profile, device)
    conditions = Conditions(
        text="a",
        regions=(("a", np.ones((8, 8), bool)),),
        tokens=Tokens(TokenKind.RSRT, (0,) * MIN_TOKENS),
        latent=LatentChannels((0,), np.zeros((1, -(-height // 16), -(-width // 16)), np.int16)),
        strength=profile.strength,
        pseudo_time=None,
        with_hci=True,
    )
    what = f"model profile {profile.name}"
    guides = (
        "take controlnet and adapters that were made for this base, or "
        if profile.controlnet or profile.adapters
        else ""
    )
    try:
        with report_out_of_memory(what, str(device)):
            pipeline.generate(torch.zeros(1, 3, height, width), [conditions], [0], min(STEPS, profile.max_steps))
    except LinkError:
        raise
    except FloatingPointError as error:
        raise report_not_finite(profile, error) from error
    except Exception as error:  # libraries raise errors of any type for networks and settings of another base
        raise SetupError(
            f"{what}: its parts do not fit together ({type(error).__name__}: {first_line(error)}); {guides}"
            f"{replace_hint(profile, profile.base)}"
        ) from error


def report_not_finite(profile: ModelProfile, error: FloatingPointError) -> SetupError:
    """Return the error for networks of ``profile`` whose output is not finite."""
    assert profile.base is not None
    remedy = replace_hint(profile, profile.base)
    return SetupError(f"model profile {profile.name}: {error}; use dtype bfloat16 or float32, or {remedy}")
