"""These tests need PyTorch; without it there is nothing here to test."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("torch") else ["*.py"]
