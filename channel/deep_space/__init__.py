"""Deep-space links: bodies, geometry, transmission windows, link budget, scintillation."""
