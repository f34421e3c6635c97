"""Where the rows come from, and how they are parted and scaled. Nothing here imports pandas or scikit-learn at once."""

from tunelab.data.arrays import Arrays
from tunelab.data.breast_cancer import BreastCancer
from tunelab.data.diabetes import Diabetes
from tunelab.data.digits import Digits
from tunelab.data.file import DataFile
from tunelab.data.fingerprint import fingerprint
from tunelab.data.split import Split, split
from tunelab.data.torch_data import TorchData
from tunelab.data.wine import Wine

__all__ = [
    "Arrays",
    "BreastCancer",
    "DataFile",
    "Diabetes",
    "Digits",
    "Split",
    "TorchData",
    "Wine",
    "fingerprint",
    "split",
]
