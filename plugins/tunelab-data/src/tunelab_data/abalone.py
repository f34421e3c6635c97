"""Shells, and how old they are."""

import csv
import io
import zipfile

import numpy as np

from tunelab.contracts import Dataset, Table
from tunelab_data.package_file import package_file

SEXES = ("F", "I", "M")
"""Female, infant, male."""


class Abalone(Dataset):
    """Abalones: 4,177 shells, whose rings (their age less 1.5 years) are to be told from seven measures and the sex.

    x is `(4177, 10)`: one column for each of female, infant and male, 0 or 1, then length, diameter, height and four
    weights, in the source's units (mm and g, divided by 200). y is the number of rings, 1 to 29.

    Source: UCI, Abalone; Nash et al., Tasmania, 1994. Read from scikit-lego (MIT).

    Raises:
        DataError: on loading, scikit-lego is not installed.

    >>> table = Abalone().load()
    >>> table.x.shape, float(table.y.min()), float(table.y.max())
    ((4177, 10), 1.0, 29.0)
    """

    def load(self) -> Table:
        """Return the 4,177 rows."""
        with zipfile.ZipFile(package_file("sklego", "scikit-lego", "data/abalone.zip")) as archive:
            (name,) = archive.namelist()
            _, *lines = csv.reader(io.StringIO(archive.read(name).decode("utf-8")))
        sexes = np.array([[float(line[0] == sex) for sex in SEXES] for line in lines])
        numbers = np.array([line[1:] for line in lines], np.float64)
        return Table(np.hstack([sexes, numbers[:, :-1]]), numbers[:, -1:], "values", source="scikit-lego abalone")
