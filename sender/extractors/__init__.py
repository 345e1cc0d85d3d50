"""Extractors of the sender: caption, tokens, latent, regions, and their networks."""
