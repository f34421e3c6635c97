"""Wines of three cultivators."""

from tunelab.contracts import Dataset, Table
from tunelab.data.sklearn_table import sklearn_classes


class Wine(Dataset):
    """Wines: 178 chemical analyses, three cultivators with 59, 71 and 48 wines.

    x is `(178, 13)`, as in sklearn's `load_wine`, unscaled. The validation part is small (36 rows at 0.2): one row is
    2.8 points of accuracy, so differences between optimizers need several seeds.

    Source: UCI, Wine; M. Forina et al., PARVUS, Institute of Pharmaceutical and Food Analysis and Technologies, Genoa;
    donated 1988. To cite: M. Lichman, UCI Machine Learning Repository, 2013. Read from scikit-learn, whose description
    states no licence for the data.

    Raises:
        DataError: on loading, scikit-learn is not installed.

    >>> table = Wine().load()
    >>> table.x.shape, table.classes
    ((178, 13), ('class_0', 'class_1', 'class_2'))
    """

    def load(self) -> Table:
        """Return the 178 rows."""
        return sklearn_classes("wine_data.csv", source="sklearn load_wine")
