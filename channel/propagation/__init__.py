"""Propagation between transmitter and receiver: noise, fading, OFDM, impairments, simulated time."""
