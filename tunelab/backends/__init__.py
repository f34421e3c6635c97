"""What computes: one file a backend."""
