"""Recipes for the weights of the pocket decoder: restorer, autoencoder, flow."""
