"""What both ends of the link must agree on: streams, bitstream, packets, entropy coders, errors, RPC."""
