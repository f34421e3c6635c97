"""Files that other packages ship, found by path: importing those packages takes seconds, this nothing."""

from importlib.util import find_spec
from pathlib import Path

from tunelab.errors import DataError


def package_file(package: str, distribution: str, place: str) -> Path:
    """Return the path of a file inside an installed package, which is not imported.

    Args:
        package: what Python imports.
        distribution: what pip installs.
        place: where the file lies in the package.

    Raises:
        DataError: the package, or the file in it, is missing.

    >>> package_file("pytest", "pytest", "__init__.py").name
    '__init__.py'
    """
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise DataError(
            f"this data set is read from {distribution}, which is not installed; pip install {distribution}"
        )
    path = Path(spec.submodule_search_locations[0], place)
    if not path.is_file():
        raise DataError(
            f"{distribution} has no {path}, from which this data set is read; pip install --upgrade {distribution}"
        )
    return path
