"""The caption stream: codes one sentence losslessly in a few bytes. `coder` encodes and decodes."""
