"""Recipe of the ``learned`` HCI coder: a variable-rate hyperprior with a checkerboard context, see README.md."""
