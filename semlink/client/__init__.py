"""Calls the services over gRPC, and runs them: in this process, as processes, by environment variables."""
