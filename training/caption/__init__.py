"""Recipes of the caption stream: the coder's tables and the captioner."""
