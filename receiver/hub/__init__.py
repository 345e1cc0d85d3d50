"""Decoders on pretrained models: Stable Diffusion and FLUX, as a model profile names them. See docs/models.md."""
