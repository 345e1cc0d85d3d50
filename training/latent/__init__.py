"""Recipe of the latent stream (GSC): analysis transform, then integer tables for its channels."""
