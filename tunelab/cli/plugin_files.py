"""The files of a new plugin, from the templates beside this file."""

from importlib.resources import files
from pathlib import Path
from string import Template

from tunelab import __version__
from tunelab.cli.plugin_names import PluginNames
from tunelab.errors import StoreError

SUMMARIES = {
    "optimizer": "The sign of a running mean of gradients, for tunelab",
    "schedule": "A learning rate that stays, then falls, for tunelab",
    "model": "A network with one hidden layer of swish units, for tunelab",
    "dataset": "Points on two spirals, for tunelab",
}
"""What the plugin of each template is."""


def write_plugin(names: PluginNames, folder: Path) -> Path:
    """Write the plugin's files into a new folder of its distribution's name, and return that.

    Raises:
        StoreError: the folder is there already, or cannot be written.
    """
    texts = plugin_texts(names)  # all of them, before anything is written
    home = folder / names.distribution
    try:
        home.mkdir(parents=True)
        for place, text in texts.items():
            (home / place).parent.mkdir(parents=True, exist_ok=True)
            (home / place).write_text(text, encoding="utf-8")
    except FileExistsError as error:
        raise StoreError(
            f"{error.filename} is there already and stays as it is; give another name, or --folder"
        ) from None
    except OSError as error:
        raise StoreError(f"cannot write {error.filename or home}: {error.strerror}; give another --folder") from None
    return home


def plugin_texts(names: PluginNames) -> dict[str, str]:
    """Return the text of each file by its path in the new folder."""
    templates = {
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
        ".gitignore": "gitignore",
        f"src/{names.module}/__init__.py": f"{names.kind}.py",
        f"src/{names.module}/py.typed": "py.typed",
        f"tests/test_{names.module}.py": f"test_{names.kind}.py",
    }
    field = "data" if names.kind == "dataset" else names.kind
    fields = vars(names) | {"version": __version__, "summary": SUMMARIES[names.kind], "kind_field": field}
    shelf = files("tunelab.cli") / "templates"
    return {
        place: Template((shelf / f"{name}.template").read_text(encoding="utf-8")).substitute(fields)
        for place, name in templates.items()
    }
