"""Encoder choices that try the receiver's decoder: which HCI, which latent channels."""
