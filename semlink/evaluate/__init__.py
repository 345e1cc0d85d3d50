"""``semlink evaluate``: pictures through several codecs at equal bytes, measured in many ways."""
