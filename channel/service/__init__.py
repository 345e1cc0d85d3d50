"""The channel's gRPC service."""
