"""Channel profiles: YAML documents, where they come from, and extension by entry points."""
