"""The sender: a picture in, guidance streams and packets out."""
