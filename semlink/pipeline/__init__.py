"""One picture through the whole link in one process: encode, packets, channel, reassembly, decode."""
