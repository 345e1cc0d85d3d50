"""Recovers lost packets without retransmission: RaptorQ (RFC 6330) over a picture's packets. See ``docs/losses.md``."""
