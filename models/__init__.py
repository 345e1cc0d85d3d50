"""Trained weights that ship with Semlink, each with its model card."""
