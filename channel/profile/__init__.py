"""Channel profiles: YAML documents with the settings of a channel, and how they are found."""
