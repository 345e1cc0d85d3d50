"""Codecs: recipes that name the guidance streams of a picture and how they are made; one small file per system."""
