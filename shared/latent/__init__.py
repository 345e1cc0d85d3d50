"""The latent stream of "Generative Semantic Coding" (GSC): some channels of a learned latent, entropy-coded."""
