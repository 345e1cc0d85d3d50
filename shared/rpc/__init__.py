"""What the gRPC services and their clients share, and the code generated from proto/."""
