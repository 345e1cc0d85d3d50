"""The sender: turns a picture into guidance streams and packets."""
