"""Codecs: recipes that name the guidance streams of a picture and how to make them."""
