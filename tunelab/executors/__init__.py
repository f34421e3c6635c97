"""Where populations train: in this process or in a worker."""
