"""Modulation and coding: MCS table and selection, LDPC and Polar codes, capacity, outage."""
