"""``semlink evaluate``: codecs compared at equal bytes, without a channel."""
