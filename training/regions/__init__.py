"""Counts of the region stream's masks."""
