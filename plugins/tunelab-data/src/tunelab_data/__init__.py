"""Data sets for tunelab that come inside packages."""

from tunelab_data.abalone import Abalone
from tunelab_data.mnist5k import MNIST5k
from tunelab_data.shakespeare import Shakespeare

__all__ = ["Abalone", "MNIST5k", "Shakespeare"]
