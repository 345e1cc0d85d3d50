"""The ``semlink`` command: one file a command, options shared in ``options.py``."""
