"""The channel's gRPC service and its messages."""
