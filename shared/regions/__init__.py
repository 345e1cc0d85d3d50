"""The region stream (MISC): up to three names, details and 8×8 masks."""
