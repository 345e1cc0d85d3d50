"""Deep-space geometry: bodies, windows, link budget, scintillation."""
