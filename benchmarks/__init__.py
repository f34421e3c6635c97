"""What tunelab costs beside the loops that people write by hand: `python -m benchmarks`, from the repository's root."""
