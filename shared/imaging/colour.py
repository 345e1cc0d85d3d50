"""Colour: ICC profiles and PNG's gamma become sRGB, and transparency becomes white."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image, ImageCms

from shared.validation import shorten

if TYPE_CHECKING:
    from collections.abc import Mapping

SRGB_GAMMA: Final = 0.45455
"""The value of PNG's chunk gAMA for sRGB: the exponent from light to sample."""
_SAME_GAMMA: Final = 0.02
_GAMMAS: Final = (0.05, 20.0)
"""Smallest and largest gamma that is applied."""
_PRIMARIES: Final = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
"""White, red, green and blue of sRGB as x and y, in the order of PNG's chunk cHRM."""
_SAME_PRIMARY: Final = 0.002
_NAME_CHARS: Final = 40
_FLAGS: Final = ImageCms.Flags.BLACKPOINTCOMPENSATION
_PROFILED_MODES: Final = ("L", "RGB", "CMYK")
PROBE_STEP: Final = 15
"""A profile counts as sRGB if it changes no colour of a grid of this step by more than 1."""


def convert_profile(image: Image.Image, notes: list[str]) -> Image.Image:
    """Return an 8-bit ``image`` in sRGB by its ICC profile (relative colorimetric); unchanged if it has none.

    A profile that is damaged, or is for another kind of picture, is left out with a note.
    """
    data = image.info.get("icc_profile")
    if not data:
        return image
    try:
        converted, name = _convert(split_alpha(image)[0], data)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        notes.append("ICC profile ignored: it is damaged or for another kind of picture")
        return image
    if converted is None:
        return image
    notes.append(f"ICC profile {name!r} converted to sRGB")
    alpha = split_alpha(image)[1]
    if alpha is not None:
        converted.putalpha(alpha)
    return converted


def _convert(plain: Image.Image, data: bytes) -> tuple[Image.Image | None, str]:
    """Return ``plain`` in sRGB, None if the profile is sRGB itself, and the profile's name."""
    profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
    name = " ".join(ImageCms.getProfileDescription(profile).split())
    space = profile.profile.xcolor_space.strip()
    grey = plain.mode == "L" or (plain.mode == "RGB" and _is_grey(plain))
    source = plain.convert({"GRAY": "L", "RGB": "RGB"}[space]) if grey else plain
    transform = ImageCms.buildTransform(
        profile,
        ImageCms.createProfile("sRGB"),
        source.mode,
        "RGB",
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=_FLAGS,
    )
    if source.mode != "CMYK" and _is_srgb(transform, source.mode):
        return None, name
    converted: Any = ImageCms.applyTransform(source, transform)
    return (converted.convert("L") if grey else converted), shorten(name, _NAME_CHARS)


def _is_srgb(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    steps = np.arange(0, 256, PROBE_STEP, dtype=np.uint8)
    if mode == "L":
        colours = np.repeat(steps[None, :, None], 3, axis=2)
        probe = Image.fromarray(np.ascontiguousarray(colours[..., 0]))
    else:
        colours = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
        probe = Image.fromarray(colours)
    shown: Any = ImageCms.applyTransform(probe, transform)
    return bool(np.abs(np.asarray(shown).astype(int) - colours).max() <= 1)


def _is_grey(image: Image.Image) -> bool:
    red, green, blue = (np.asarray(one) for one in image.split())
    return np.array_equal(red, green) and np.array_equal(red, blue)


def split_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Return ``image`` in a mode that profiles are for, and its transparency, if there is any."""
    if image.mode == "La":  # Pillow converts premultiplied grey to LA only
        image = image.convert("LA")
    if image.has_transparency_data:
        image = image if image.mode in ("LA", "RGBA") else image.convert("RGBA")
        return image.convert("L" if image.mode == "LA" else "RGB"), image.getchannel("A")
    return (image if image.mode in _PROFILED_MODES else image.convert("L" if image.mode == "1" else "RGB")), None


def png_exponent(info: Mapping[Any, Any], notes: list[str]) -> float:
    """Return the exponent that brings samples (0 to 1) of a PNG's gamma to that of sRGB; 1 where nothing is to do.

    A profile or the chunk sRGB replaces the gamma. The chunk cHRM of other primaries is left out, with a note.
    """
    if info.get("icc_profile") or "srgb" in info:
        return 1.0
    given = info.get("chromaticity")
    if given is not None and not np.allclose(given, _PRIMARIES, atol=_SAME_PRIMARY):
        notes.append("primary colours of the PNG ignored (cHRM)")
    gamma = info.get("gamma")
    if not isinstance(gamma, float) or abs(gamma / SRGB_GAMMA - 1) < _SAME_GAMMA:
        return 1.0
    if not _GAMMAS[0] <= gamma <= _GAMMAS[1]:
        notes.append(f"gamma {gamma:.5g} ignored: a PNG's is {_GAMMAS[0]} to {_GAMMAS[1]}")
        return 1.0
    notes.append(f"gamma {gamma:.5g} converted to that of sRGB, {SRGB_GAMMA}")
    return SRGB_GAMMA / gamma


def flatten_on_white(image: Image.Image, notes: list[str]) -> Image.Image:
    """Return an RGBA picture laid on white, as RGB."""
    alpha = image.getchannel("A")
    if alpha.getextrema() == (255, 255):
        return image.convert("RGB")
    notes.append("alpha flattened on white")
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=alpha)
    return white
