"""The sender on pretrained models: captioners, maps of named objects, and coders, chosen by a model profile."""
