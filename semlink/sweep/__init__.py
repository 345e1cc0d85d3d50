"""``semlink sweep``, ``plot`` and ``report``: many pictures over many channels, and what their rows show."""
