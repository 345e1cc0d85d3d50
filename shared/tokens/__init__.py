"""Semantic tokens as codes of a finite scalar quantiser, and their payload."""
