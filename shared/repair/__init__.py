"""Packets repaired without asking again: RaptorQ (RFC 6330) across the packets of a picture. See ``docs/losses.md``."""
