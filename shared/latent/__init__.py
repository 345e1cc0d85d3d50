"""The latent stream (GSC): some of the planes of a learned latent, entropy-coded by integer tables."""
