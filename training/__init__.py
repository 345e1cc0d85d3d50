"""Recipes that make the weights in models/. Nothing here is imported when the link runs."""
