"""`python -m catalogue`: write the pages and the plots anew."""

from pathlib import Path

from catalogue.curves import curves
from catalogue.pages import pages
from catalogue.paths import paths
from catalogue.plots import curve_plot, path_plot

HOME = Path(__file__).parent.parent / "docs" / "catalogue"


def main() -> None:
    """Write every file of the catalogue, and remove the plots of plugins that are gone."""
    plots = HOME / "plots"
    plots.mkdir(parents=True, exist_ok=True)
    for old in plots.glob("*.svg"):
        old.unlink()
    for name, path in paths().items():
        path_plot(path, plots / f"{name}.svg")
    for name, curve in curves().items():
        curve_plot(curve, plots / f"{name}.svg")
    for file, text in pages().items():
        (HOME / file).write_text(text)


if __name__ == "__main__":
    main()
