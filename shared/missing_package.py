"""What a user can do about a package that is not installed."""

from __future__ import annotations

from typing import Final

from shared.errors import SetupError

OWN: Final = ("channel", "models", "receiver", "semlink", "sender", "shared", "training")
DISTRIBUTIONS: Final = {"PIL": "pillow", "skimage": "scikit-image", "sionna": "sionna-no-rt", "yaml": "pyyaml"}
"""Packages that bring a module of another name."""


def explain_missing(error: ModuleNotFoundError) -> SetupError | None:
    """Return the error for a package that is not installed; None for a module of Semlink's own, which is a bug."""
    module = (error.name or "").partition(".")[0]
    if not module or module in OWN:
        return None
    package = DISTRIBUTIONS.get(module, module.replace("_", "-"))
    return SetupError(
        f"the package {package} is not installed: pip install {package}, or install semlink with all that it requires"
    )
