"""Code that sender, channel and receiver share: streams, bitstream, packets, entropy coders, errors and gRPC."""
