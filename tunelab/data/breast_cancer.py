"""Breast tumours, malignant or benign."""

from tunelab.contracts import Dataset, Table
from tunelab.data.sklearn_table import sklearn_classes


class BreastCancer(Dataset):
    """Breast tumours: 569 fine needle aspirates, 212 malignant (class 0) and 357 benign (class 1).

    x is `(569, 30)`: mean, standard error and worst of ten measures of the cell nuclei, as in sklearn's
    `load_breast_cancer`, unscaled (from 0 to 4,254, hence `scale = "standard"`).

    Source: UCI, Breast Cancer Wisconsin (Diagnostic); W. H. Wolberg, W. N. Street and O. L. Mangasarian, 1995. To cite:
    Street, Wolberg and Mangasarian, "Nuclear feature extraction for breast tumor diagnosis", SPIE 1905, 1993. Read from
    scikit-learn, whose description states no licence for the data.

    Raises:
        DataError: on loading, scikit-learn is not installed.

    >>> table = BreastCancer().load()
    >>> table.x.shape, table.classes
    ((569, 30), ('malignant', 'benign'))
    """

    def load(self) -> Table:
        """Return the 569 rows."""
        return sklearn_classes("breast_cancer.csv", source="sklearn load_breast_cancer")
