"""Model profiles: which pretrained models a decoder or a captioner is made of, and where their files are."""
