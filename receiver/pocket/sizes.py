"""Sizes that the parts of the decoder share."""

from __future__ import annotations

RESTORER_SCALE = 4
"""The restorer enlarges by this factor; an HCI of any scale is resized to quarter size first."""


def quarter_size(width: int, height: int) -> tuple[int, int]:
    """Return width and height of the restorer's input for a picture of ``width`` × ``height`` pixels."""
    return -(-width // RESTORER_SCALE), -(-height // RESTORER_SCALE)
