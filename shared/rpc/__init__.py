"""RPC plumbing that all services and clients share, and the code generated from proto/."""
