"""The gRPC client of the three services, and the ways to run them: in this process, or as processes."""
