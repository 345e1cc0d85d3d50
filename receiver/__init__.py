"""The receiver: packets in, a picture and its quality out."""
