"""Packets in, packet outcomes out: the link, one picture's transmission, its accounting."""
