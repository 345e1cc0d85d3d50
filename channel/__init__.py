"""The channel: packets in, packets that arrived (or the reason why not) out."""
