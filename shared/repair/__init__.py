"""Recovers lost packets without retransmission: RaptorQ (RFC 6330) over the packets of a picture; ``docs/losses.md``."""
