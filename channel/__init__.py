"""The channel: carries packets over a simulated physical layer, with noise, fading, losses and simulated time."""
