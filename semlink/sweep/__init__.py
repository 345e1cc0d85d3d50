"""``semlink sweep``: many pictures with many codecs over many channels, one row per transmission."""
