"""Modulation, coding and their limits: MCS table, LDPC and polar chains, capacity, outage."""
