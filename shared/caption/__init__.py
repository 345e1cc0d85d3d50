"""The caption stream: one sentence in a few bytes, exactly. `coder` has both ends."""
