"""The region stream of "Multimodal Image Semantic Compression" (MISC): up to three names, details and 8×8 masks."""
