"""Recipes for the weights of the pocket decoder: restorer, refiner, fallback synthesis, pseudo-words."""
