"""What happens to symbols and packets between transmitter and receiver: noise, fading, OFDM, losses, time."""
