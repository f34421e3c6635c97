"""Diabetes patients and how their disease progressed."""

from tunelab.contracts import Dataset, Table
from tunelab.data.sklearn_table import sklearn_numbers


class Diabetes(Dataset):
    """Diabetes: 442 patients, a measure of disease progression after one year (25 to 346) from ten baseline variables.

    x is `(442, 10)`: age, sex (1 or 2), body mass index, blood pressure, six serum measurements; y is `(442, 1)`. Both
    are raw, as in sklearn's `load_diabetes(scaled=False)`: its default is scaled on all rows, held-out ones included.

    Source: B. Efron, T. Hastie, I. Johnstone and R. Tibshirani, "Least Angle Regression", Annals of Statistics, 2004.
    Read from scikit-learn, whose description states no licence for the data.

    Raises:
        DataError: on loading, scikit-learn is not installed.

    >>> table = Diabetes().load()
    >>> table.x.shape, table.targets, table.outputs
    ((442, 10), 'values', 1)
    """

    def load(self) -> Table:
        """Return the 442 rows."""
        x = sklearn_numbers("diabetes_data_raw.csv.gz", delimiter=None)
        y = sklearn_numbers("diabetes_target.csv.gz")
        return Table(x, y, "values", source="sklearn load_diabetes(scaled=False)")
