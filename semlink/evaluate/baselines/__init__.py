"""Codecs to compare with: what a user would reach for instead. One file each, all with the same interface."""
