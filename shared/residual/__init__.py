"""Residual tokens with a place: a grid of codes, and their payload."""
